"""Settings that two people change at once: the second one is told, and takes nothing back."""

from datetime import datetime
from http import HTTPStatus

from ibex.errors import DomainError


class ChangedMeanwhile(DomainError):
    """Somebody else changed the settings after the editor read them."""

    code = "CONFLICT"
    status = HTTPStatus.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(f"Somebody changed the settings of {name} meanwhile. Nothing was saved.")


def version_of(changed_at: datetime) -> str:
    """Name the state of a row by the microsecond of its last change."""
    return changed_at.isoformat(timespec="microseconds")
