"""The two steps of every bulk action: a page that says what will happen, then the deed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render

from ibex.errors import DomainError
from ibex.filtering import ListFilter
from ibex.notices import tell
from ibex.selection import BulkAction, Selection, SelectionChanged, act_on, read_selection
from orgs.access import OrgRequest

M = TypeVar("M", bound=Model)

HandOver = Callable[..., str]
"""Starts a job for a large selection and returns the address of its page.

Called with the request, the selection, the action, the list's filter and the reason; what the
action's form asks besides comes by name.
"""


@dataclass(frozen=True)
class BulkButton:
    """One action in the bulk bar, and whether the operator's role may do it."""

    action: BulkAction[Any]
    url: str
    is_allowed: bool


@dataclass(frozen=True)
class BulkBar:
    """The actions of a list, and the filter that is applied to it, sealed."""

    buttons: list[BulkButton]
    query: str
    takes_all: bool = True
    """Whether all that matches can be chosen; a ranked list shows only what ranks best."""

    @property
    def refused(self) -> str:
        """What the operator's role does not do, in words; empty when it does everything."""
        verbs = [button.action.verb.lower() for button in self.buttons if not button.is_allowed]
        return f"{' or '.join(verbs)} {self.buttons[0].action.nouns}" if verbs else ""


def bulk_bar(
    request: OrgRequest,
    filters: ListFilter,
    urls: Mapping[str, BulkAction[Any]],
    *,
    takes_all: bool = True,
) -> BulkBar:
    """Build the bar of a list from its actions, by the address that each posts to."""
    held = request.access.permissions
    buttons = [BulkButton(action, url, not action.needs & ~held) for url, action in urls.items()]
    return BulkBar(buttons, filters.signed(), takes_all)


def bulk_page(
    request: OrgRequest,
    action: BulkAction[M],
    kind: type[ListFilter],
    rows: QuerySet[M],
    *,
    back: str,
    hand_over: HandOver | None = None,
    undo: str = "",
    refuse: Callable[[Selection[M]], None] | None = None,
) -> HttpResponse:
    """Confirm a bulk action on some of `rows`, then do it; `back` is the list's address.

    The first POST shows the confirm page; the second carries `expected` and a reason. With
    `hand_over`, a large selection becomes a job. `undo` is the address that takes it back.
    `refuse` raises a `DomainError` for a selection that cannot be acted on.
    """
    if action.needs & ~request.access.permissions:
        raise PermissionDenied
    is_confirmed = bool(request.POST.get("expected"))
    refusal = ""
    try:
        selection = read_selection(request.POST, kind, rows, org_id=request.access.org_id)
        if refuse:
            refuse(selection)
    except SelectionChanged as error:
        refusal = error.message
        fresh = request.POST.copy()
        del fresh["expected"]
        selection = read_selection(fresh, kind, rows, org_id=request.access.org_id)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(back)
    form = action.form(request.POST if is_confirmed else None)
    if refusal or not is_confirmed or not form.is_valid():
        context = {"selection": selection, "action": action, "form": form, "refusal": refusal}
        context |= {"back": back, "first": [action.shown(row) for row in selection.first()]}
        return render(request, "core/confirm.html", context, status=_status(refusal, is_confirmed))
    said = dict(form.cleaned_data)
    reason = said.pop("reason")
    if selection.needs_job and hand_over:
        return HttpResponseRedirect(hand_over(request, selection, action, kind, reason, **said))
    outcome = act_on(selection, action, request.actor, reason, **said)
    if outcome.done:
        done = f"{action.done} {action.of(outcome.done)}."
        tell(request, done, undo=undo)
    for sentence in outcome.reasons:
        messages.warning(request, sentence)
    if more := outcome.refused - len(outcome.reasons):
        messages.warning(request, f"{more:,} more were left as they are.")
    return redirect(back)


def _status(refusal: str, is_confirmed: bool) -> int:
    if refusal:
        return HTTPStatus.CONFLICT
    return HTTPStatus.BAD_REQUEST if is_confirmed else HTTPStatus.OK
