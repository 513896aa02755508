"""The two steps of every bulk action: a page that says what will happen, then the deed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render

from ibex.errors import DomainError
from ibex.filtering import ListFilter
from ibex.forms import ReasonForm
from ibex.http import address, way_back
from ibex.ids import uuid7
from ibex.notices import tell
from ibex.selection import (
    BulkAction,
    Outcome,
    Selection,
    SelectionChanged,
    act_on,
    read_selection,
)
from jobs.bulk import enqueue_bulk
from jobs.errors import JobKeyReused
from jobs.services import find_by_key
from orgs.access import OrgRequest

M = TypeVar("M", bound=Model)

Undo = Callable[[OrgRequest, str], str]
"""Names the address that takes back what a request does, and then leads to another."""


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
    here: str
    """The list's address as it is shown, to come back to."""
    why_not_all: str = ""
    """Why all that matches cannot be chosen, in a sentence; empty when it can."""

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
    why_not_all: str = "",
) -> BulkBar:
    """Build the bar of a list from its actions, by the address that each posts to."""
    held = request.access.permissions
    buttons = [BulkButton(action, url, not action.needs & ~held) for url, action in urls.items()]
    return BulkBar(buttons, filters.signed(), address(request), why_not_all)


def bulk_page(
    request: OrgRequest,
    action: BulkAction[M],
    kind: type[ListFilter],
    rows: QuerySet[M],
    *,
    job: str,
    back: str,
    undo: Undo | None = None,
) -> HttpResponse:
    """Confirm a bulk action on some of `rows`, then do it, and go back to the list as it was.

    The first POST shows the confirm page; the second carries `expected` and a reason. A large
    selection becomes a job of the kind `job`; the page's key lets the same page start it once.
    `back` is the list's plain address.
    """
    if action.needs & ~request.access.permissions:
        raise PermissionDenied
    back = way_back(request.POST.get("next"), back)
    is_confirmed = bool(request.POST.get("expected"))
    key = _key(request)
    started = find_by_key(org_id=request.access.org_id, kind=job, actor=request.actor, key=key)
    if is_confirmed and started is not None:
        return redirect("job", started.pk)
    refusal = ""
    try:
        selection = read_selection(request.POST, kind, rows, org_id=request.access.org_id)
    except SelectionChanged as error:
        refusal, selection = error.message, _anew(request, kind, rows)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect(back)
    form = action.form(request.POST if is_confirmed else None)
    if is_confirmed and not refusal and form.is_valid():
        try:
            return _act(request, selection, action, form, job=job, key=key, back=back, undo=undo)
        except (SelectionChanged, JobKeyReused) as error:
            refusal, key, selection = error.message, "", _anew(request, kind, rows)
    context = {"selection": selection, "action": action, "form": form, "refusal": refusal}
    context |= {"back": back, "key": key or uuid7()}
    context["first"] = [action.shown(row) for row in selection.first()]
    return render(request, "core/confirm.html", context, status=_status(refusal, is_confirmed))


def _act(
    request: OrgRequest,
    selection: Selection[M],
    action: BulkAction[M],
    form: ReasonForm,
    *,
    job: str,
    key: str,
    back: str,
    undo: Undo | None,
) -> HttpResponse:
    """Do it now, or start the job that does."""
    said = dict(form.cleaned_data)
    reason = said.pop("reason")
    if selection.needs_job:
        row = enqueue_bulk(
            org_id=request.access.org_id,
            kind=job,
            selection=selection,
            action=action,
            actor=request.actor,
            reason=reason,
            idempotency_key=key,
            **said,
        )
        return redirect("job", row.pk)
    outcome = act_on(selection, action, request.actor, reason, **said)
    if outcome.done:
        done = f"{action.done} {action.of(outcome.done)}."
        tell(request, done, undo=undo(request, back) if undo else "")
    _tell_refusals(request, action, outcome)
    return redirect(back)


def _tell_refusals(request: OrgRequest, action: BulkAction[Any], outcome: Outcome) -> None:
    for one in outcome.refusals:
        many = f" ({action.of(one.count)})" if one.count > 1 else ""
        messages.warning(request, one.message + many)
    if more := outcome.refused - sum(one.count for one in outcome.refusals):
        messages.warning(request, f"{more:,} more were left as they are.")


def _anew(request: OrgRequest, kind: type[ListFilter], rows: QuerySet[M]) -> Selection[M]:
    """Find what is selected now, whatever was confirmed."""
    fresh = request.POST.copy()
    del fresh["expected"]
    return read_selection(fresh, kind, rows, org_id=request.access.org_id)


def _key(request: OrgRequest) -> str:
    """Return the key that the confirm page gave itself; empty for one that it never makes."""
    try:
        return str(UUID(request.POST.get("key", "")))
    except ValueError:
        return ""


def _status(refusal: str, is_confirmed: bool) -> int:
    if refusal:
        return HTTPStatus.CONFLICT
    return HTTPStatus.BAD_REQUEST if is_confirmed else HTTPStatus.OK
