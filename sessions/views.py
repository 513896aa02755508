"""The console's pages of sessions."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from agents.models import Agent
from ibex.errors import DomainError
from ibex.http import address, page_or_fragment, read_page, wants_fragment
from ibex.keyset import NEWEST_FIRST, Order
from orgs.access import OrgRequest, operator_page
from orgs.models import OrgQuerySet
from orgs.permissions import Permission
from sessions.archive import archive_url
from sessions.beside import read_conversation
from sessions.conversation import whole
from sessions.forms import MAX_INDEX, PlaceForm, SessionFilterForm
from sessions.models import Session, Turn

LATEST_TURN_FIRST = Order(("last_turn_at", "id"), descending=True)


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.SESSION_READ)
def sessions(request: OrgRequest) -> HttpResponse:
    """List the organization's sessions, the newest first; htmx gets only the results."""
    found = Session.objects.filter(org=request.access.org_id).select_related("agent")
    return _list(request, found, NEWEST_FIRST, "sessions/sessions.html")


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.SESSION_READ)
def agent_sessions(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List one agent's sessions, by their latest turn; htmx gets only the results."""
    agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    found = Session.objects.filter(org=agent.org_id, agent=agent).select_related("agent")
    return _list(request, found, LATEST_TURN_FIRST, "sessions/agent_sessions.html", agent=agent)


@require_GET
@operator_page(Permission.SESSION_READ)
def session(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Show a conversation with what was read and written in each turn."""
    return _conversation(request, _session(request, session_id))


@require_POST
@operator_page(Permission.SESSION_READ)
def session_archive(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Show a link to the session's archive that holds for 15 minutes; asking is audited."""
    row = _session(request, session_id)
    if Permission.SESSION_EXPORT & ~request.access.permissions:
        raise PermissionDenied
    try:
        link = archive_url(session=row, actor=request.actor)
    except DomainError as error:
        return _conversation(request, row, status=error.status, refusal=error.message)
    return _conversation(request, row, archive=link)


@require_GET
@operator_page(Permission.SESSION_READ)
def turn_body(request: OrgRequest, session_id: UUID, index: int, part: str) -> HttpResponse:
    """Show one stored body whole, as plain text that no browser will run."""
    turns = Turn.objects.filter(org=request.access.org_id, session=session_id)
    turn = get_object_or_404(turns, index=min(index, MAX_INDEX))
    body = whole(turn.request if part == "request" else turn.completion)
    return HttpResponse(body, content_type="text/plain; charset=utf-8")


def _list(
    request: OrgRequest, found: OrgQuerySet[Session], order: Order, page: str, **more: Any
) -> HttpResponse:
    form = SessionFilterForm(request.GET)
    context = {"form": form, "page": read_page(request, form.narrow(found), order), **more}
    template = page_or_fragment(request, page, "sessions/_results.html")
    response = render(request, template, context)
    if wants_fragment(request):
        response["HX-Push-Url"] = address(request)
    return response


def _session(request: OrgRequest, session_id: UUID) -> Session:
    rows = Session.objects.select_related("agent", "agent__directive__active_version")
    return get_object_or_404(rows, org=request.access.org_id, pk=session_id)


def _conversation(
    request: OrgRequest, row: Session, *, status: int = HTTPStatus.OK, **more: Any
) -> HttpResponse:
    place = PlaceForm(request.GET)
    if not place.is_valid():
        raise Http404
    begin, raw = place.cleaned_data["begin"] or 0, place.cleaned_data["raw"]
    conversation = read_conversation(row, begin, raw)
    context = {"session": row, "agent": row.agent, "conversation": conversation, **more}
    return render(request, "sessions/session.html", context, status=status)
