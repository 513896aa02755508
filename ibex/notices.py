"""What an operator is told after a change, with the way back when there is one."""

from django.contrib import messages
from django.http import HttpRequest

UNDO = "undo:"


def tell(request: HttpRequest, words: str, *, undo: str = "") -> None:
    """Say what was done; `undo` is the address that takes it back when posted to.

    The next page shows it; with scripts the offer ends after ten seconds.
    """
    messages.success(request, words, extra_tags=f"{UNDO}{undo}" if undo else "")
