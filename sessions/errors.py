"""What can go wrong with sessions."""

from http import HTTPStatus

from ibex.errors import DomainError


class UnreadableBody(DomainError):
    """A turn's stored bytes are not what the recorder writes."""

    code = "INTERNAL_ERROR"

    def __init__(self, turn: object) -> None:
        super().__init__(f"The stored body of turn {turn} cannot be read.")


class ArchiveNotReady(DomainError):
    """The session has no archive yet, or it is being written anew."""

    code = "ARCHIVE_NOT_READY"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "The archive is written when the session has ended; try again in a few seconds."
        )


class ArchiveLinkRefused(DomainError):
    """A link was changed, is of another installation, or is too old."""

    code = "ARCHIVE_LINK_INVALID"
    status = HTTPStatus.FORBIDDEN

    def __init__(self) -> None:
        super().__init__("The link is not valid or has expired; ask for a new one.")


class ArchiveGone(DomainError):
    """The link is good, but the file was erased or has passed its retention."""

    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("The archive no longer exists.")


class ArchiveIncomplete(Exception):
    """The session counts more turns than there are; an archive would hide that."""
