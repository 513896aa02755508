"""What can go wrong with directives. No message ever quotes a directive's text."""

from http import HTTPStatus

from ibex.errors import DomainError


class DirectiveSize(DomainError):
    """A directive is 1 to 32,768 bytes of UTF-8; its draft may be longer."""

    code = "VALIDATION_ERROR"
    param = "content"

    def __init__(self, size: int, limit: int, what: str = "directive", least: int = 1) -> None:
        super().__init__(f"A {what} has {least} to {limit:,} bytes; this one has {size:,}.")


class DirectiveBlank(DomainError):
    """A directive says something."""

    code = "VALIDATION_ERROR"
    param = "content"

    def __init__(self) -> None:
        super().__init__("A directive of spaces alone says nothing.")


class UnknownVersion(DomainError):
    """What somebody began from has to be a version that there is."""

    code = "VALIDATION_ERROR"
    param = "base_version"

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no version {number}.")


class DirectiveConflict(DomainError):
    """Another version was pushed since; whoever pushes keeps their text and looks again."""

    code = "DIRECTIVE_CONFLICT"
    status = HTTPStatus.CONFLICT

    def __init__(self, base: int, active: int) -> None:
        self.base = base
        self.active = active
        began = f"began from version {base}" if base else "began, when there was none"
        super().__init__(f"Version {active} is active since you {began}. Compare, then push again.")


class CopyToItself(DomainError):
    """A version is copied to another agent; on its own it is edited from, or rolled back to."""

    code = "VALIDATION_ERROR"
    param = "to_agent_id"

    def __init__(self) -> None:
        super().__init__("A version is copied to another agent than its own.")


class PushReplaced(DomainError):
    """Another version is active: nobody is to be told of this one again."""

    code = "PUSH_REPLACED"
    status = HTTPStatus.CONFLICT

    def __init__(self, number: int, active: int) -> None:
        super().__init__(f"Version {active} took the place of version {number}.")


class PushArrived(DomainError):
    """Every connected proxy has acknowledged the version."""

    code = "PUSH_ARRIVED"
    status = HTTPStatus.CONFLICT

    def __init__(self, number: int) -> None:
        super().__init__(f"Every connected proxy runs version {number}: none is to be told again.")


class DraftConflict(DomainError):
    """The same person saved another text from another window."""

    code = "DRAFT_CONFLICT"
    status = HTTPStatus.CONFLICT

    def __init__(self, revision: int) -> None:
        self.revision = revision
        super().__init__("Your draft was saved from another window since you opened this one.")
