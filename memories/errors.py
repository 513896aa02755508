"""What can go wrong with memories. No message ever quotes a memory's text."""

from http import HTTPStatus

from ibex.errors import DomainError


class InvalidMemory(DomainError):
    """A value of a memory breaks its rule; `field` names which."""

    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class MemoryTooLong(InvalidMemory):
    """A memory's content is 1 to 10,000 bytes of UTF-8."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__("content", f"A memory has 1 to {limit:,} bytes; this one has {size:,}.")


class MemoryAlreadyKnown(DomainError):
    """Another active memory of the same agent and subject already says exactly this."""

    code = "MEMORY_ALREADY_KNOWN"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("The agent already has an active memory with exactly this content.")


class MemoryStatusRefused(DomainError):
    """What was asked for does not fit the memory's status."""

    code = "MEMORY_STATUS_REFUSED"
    status = HTTPStatus.CONFLICT

    def __init__(self, status: str, action: str) -> None:
        super().__init__(f"A memory that is {status.replace('_', ' ')} cannot be {action}.")


class MemoryChangedMeanwhile(DomainError):
    """Somebody else changed the memory after the editor read it."""

    code = "MEMORY_CHANGED"
    status = HTTPStatus.CONFLICT

    def __init__(self, latest: int) -> None:
        self.latest = latest
        super().__init__(f"Somebody changed this memory meanwhile; it is at version {latest}.")


class NothingToUndo(DomainError):
    """No change of this request can be taken back any more."""

    code = "NOTHING_TO_UNDO"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("What this did has been changed since, or was undone already.")


class DeadLetterResolved(DomainError):
    """The turns were learned from after all, and are not learned from again."""

    code = "DEAD_LETTER_RESOLVED"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("These turns have been learned from already.")
