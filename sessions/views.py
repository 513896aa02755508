"""The console's pages of sessions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from agents.models import Agent
from ibex.bulk import bulk_bar, bulk_page
from ibex.errors import DomainError
from ibex.http import read_page, render_list, wants_fragment
from ibex.notices import tell
from ibex.tenancy import tenant
from memories.browsing.finding import query_vector
from memories.models import Memory
from memories.services import archive_memory, pin_memory, quarantine_memory
from memories.views.undo import undo_if_changed
from orgs.access import OrgRequest, operator_page
from orgs.models import OrgQuerySet
from orgs.permissions import Permission
from sessions import services
from sessions.archive import ArchiveLink, archive_url
from sessions.beside import Place, first_words, read_conversation, read_tail, turn_address
from sessions.bulk import ACTIONS as BULK_ACTIONS
from sessions.conversation import all_pieces, whole_body
from sessions.errors import UnreadableBody
from sessions.filters import AgentSessionFilter, SessionFilter
from sessions.forms import MAX_INDEX, CompareForm, PlaceForm, TailForm
from sessions.handing import hand_over, take_over
from sessions.jobs import KIND
from sessions.models import Session, Turn
from sessions.replay import Replay, ask_again, question_of
from sessions.searching import find_in_session
from sessions.why import explain, prompt_of

EXPLAINS = Permission.SESSION_READ | Permission.TRACE_READ | Permission.MEMORY_READ
PEEKED_TURNS = 3


@require_GET
@operator_page(Permission.SESSION_READ)
def sessions(request: OrgRequest) -> HttpResponse:
    """List the organization's sessions, the newest first; htmx gets only the results."""
    filters = SessionFilter(request.GET, _listed(request), org_id=request.access.org_id)
    return _list(request, filters, "sessions/sessions.html")


@require_GET
@operator_page(Permission.SESSION_READ)
def agent_sessions(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List one agent's sessions, by their latest turn; htmx gets only the results."""
    agent = get_object_or_404(Agent, org=request.access.org_id, pk=agent_id)
    filters = AgentSessionFilter.of(agent, request.GET, _listed(request))
    return _list(request, filters, "sessions/agent_sessions.html", agent=agent)


@require_POST
@operator_page(Permission.SESSION_READ)
def sessions_bulk(request: OrgRequest, action: str) -> HttpResponse:
    """Terminate many sessions, after a page that says which; very many become a job."""
    rows = Session.objects.filter(org=request.access.org_id)
    back = reverse("sessions")
    return bulk_page(request, BULK_ACTIONS[action], SessionFilter, rows, job=KIND, back=back)


@require_GET
@operator_page(Permission.SESSION_READ)
def session_peek(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Show the facts and the latest turns of a session, for the panel beside the list."""
    row = _session(request, session_id)
    turns = read_conversation(row, Place()).turns[-PEEKED_TURNS:]
    context = {"session": row, "agent": row.agent, "turns": turns}
    return render(request, "sessions/_session_peek.html", context)


@require_GET
@operator_page(Permission.SESSION_READ)
def session(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Show a conversation with what was read and written in each turn."""
    row = _session(request, session_id)
    return _conversation(request, row, take_over(request, row))


@require_GET
@operator_page(Permission.SESSION_READ)
def session_tail(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Show what came after a turn, for a page that follows; nothing new is an empty answer.

    Who has paused gets the number of new turns alone.
    """
    form = TailForm(request.GET)
    if not form.is_valid():
        raise Http404
    row, after = _session(request, session_id), form.cleaned_data["after"]
    waiting = row.turn_count - 1 - after
    if waiting <= 0 and row.status == form.cleaned_data["status"]:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    is_paused = form.cleaned_data["paused"]
    tail = None if is_paused or waiting <= 0 else read_tail(row, after)
    context = {"session": row, "agent": row.agent, "conversation": tail, "is_paused": is_paused}
    context |= {"waiting": max(waiting, 0), "after": tail.last if tail else after}
    return render(request, "sessions/_tail.html", context)


@require_GET
@operator_page(Permission.SESSION_READ)
def turn(request: OrgRequest, session_id: UUID, index: int) -> HttpResponse:
    """Lead to the page of the conversation on which a turn stands."""
    row = _session(request, session_id)
    turns = Turn.objects.filter(org=row.org_id, session=row)
    if not turns.filter(index=min(index, MAX_INDEX)).exists():
        raise Http404
    return redirect(turn_address(row.pk, index))


@require_POST
@operator_page(Permission.SESSION_READ)
def session_archive(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """Make a link to the session's archive that holds for 15 minutes; asking is audited.

    The session's page shows it, once.
    """
    row = _session(request, session_id)
    if Permission.SESSION_EXPORT & ~request.access.permissions:
        raise PermissionDenied
    try:
        hand_over(request, row, archive_url(session=row, actor=request.actor))
    except DomainError as error:
        messages.error(request, error.message)
    return redirect("session", row.pk)


@require_POST
@operator_page(Permission.SESSION_TERMINATE)
def terminate_session(request: OrgRequest, session_id: UUID) -> HttpResponse:
    """End a session: what it has not been learned from yet, and its archive, are due at once."""
    row = _session(request, session_id)
    services.complete_session(session=row, actor=request.actor, how="completed")
    messages.success(request, f"Terminated {row.external_id}. The next request would reopen it.")
    return redirect("session", row.pk)


@require_GET
@operator_page(Permission.SESSION_READ)
def turn_body(request: OrgRequest, session_id: UUID, index: int, part: str) -> HttpResponse:
    """Show one stored body whole, as plain text that no browser will run; it is audited."""
    row = _turn(request, session_id, index)
    services.note_body_read(turn=row, part=part, actor=request.actor)
    return _plain(whole_body(row, part))


@require_GET
@vary_on_headers("HX-Request")
@operator_page(Permission.SESSION_READ)
def turn_piece(request: OrgRequest, session_id: UUID, index: int, number: int) -> HttpResponse:
    """Show one piece of a turn whole: plain text, or in its place on the page."""
    try:
        pieces = all_pieces(_turn(request, session_id, index))
    except UnreadableBody:
        raise Http404 from None
    if number >= len(pieces):
        raise Http404
    if wants_fragment(request):
        return render(request, "sessions/_piece_text.html", {"piece": pieces[number]})
    return _plain(pieces[number].text.encode())


@require_GET
@operator_page(EXPLAINS)
def turn_prompt(request: OrgRequest, session_id: UUID, index: int) -> HttpResponse:
    """Show a turn's context as the model saw it, by its parts, for its place in the session."""
    row = _turn(request, session_id, index)
    return render(request, "sessions/_prompt.html", {"prompt": prompt_of(row), "turn": row})


@require_GET
@operator_page(EXPLAINS, enters_tenant=False)
def why(request: OrgRequest, session_id: UUID, index: int) -> HttpResponse:
    """Show why a turn was answered as it was; on request, what the question brings now.

    The embedder is asked without a transaction.
    """
    form = CompareForm(request.GET)
    if not form.is_valid():
        raise Http404
    with tenant(request.access.org_id):
        row, said = _session(request, session_id), _turn(request, session_id, index)
        question = question_of(row, said) if form.compares else ""
        if not question:
            return _why(request, row, said, compares=form.compares)
    vector = query_vector(request.access.org_id, question, "hybrid")
    with tenant(request.access.org_id):
        again = partial(
            ask_again, row, said, question, vector, without=form.cleaned_data["without"]
        )
        return _why(request, row, said, compares=True, again=again)


def _why(
    request: OrgRequest,
    row: Session,
    said: Turn,
    *,
    compares: bool,
    again: Callable[..., Replay] | None = None,
) -> HttpResponse:
    explanation = explain(row, said)
    replay = again and again(recorded=explanation.taken)
    context = {"session": row, "agent": row.agent, "turn": said, "why": explanation}
    context |= {"compares": compares, "replay": replay}
    return render(request, "sessions/why.html", context)


@dataclass(frozen=True)
class Action:
    """Something that an operator does to a memory while reading why."""

    service: Callable[..., Memory]
    needs: Permission
    done: str


ACTIONS = {
    "pin": Action(partial(pin_memory, pinned=True), Permission.MEMORY_WRITE, "Pinned."),
    "unpin": Action(partial(pin_memory, pinned=False), Permission.MEMORY_WRITE, "Unpinned."),
    "archive": Action(archive_memory, Permission.MEMORY_WRITE, "Archived."),
    "quarantine": Action(
        quarantine_memory, Permission.MEMORY_REVIEW, "Quarantined until somebody reviews it."
    ),
}


@require_POST
@operator_page(EXPLAINS)
def act_on_memory(
    request: OrgRequest, session_id: UUID, index: int, memory_id: UUID, action: str
) -> HttpResponse:
    """Pin, unpin, archive or quarantine a memory that the page of a turn's why shows."""
    _turn(request, session_id, index)
    memory = get_object_or_404(Memory, org=request.access.org_id, pk=memory_id)
    if ACTIONS[action].needs & ~request.access.permissions:
        raise PermissionDenied
    reason = f"Seen in turn {index} of session {session_id}."
    back = reverse("why", args=[session_id, index])
    try:
        changed = ACTIONS[action].service(memory=memory, actor=request.actor, reason=reason)
    except DomainError as error:
        messages.error(request, error.message)
    else:
        undo = undo_if_changed(request, memory, changed, back)
        tell(request, ACTIONS[action].done, undo=undo)
    return redirect(back)


def _listed(request: OrgRequest) -> OrgQuerySet[Session]:
    mine = Session.objects.filter(org=request.access.org_id)
    return mine.select_related("agent").prefetch_related("errors")


def _list(request: OrgRequest, filters: SessionFilter, page: str, **more: Any) -> HttpResponse:
    urls = {reverse(f"{name}-sessions"): action for name, action in BULK_ACTIONS.items()}
    context = {
        "page": read_page(request, filters.rows, filters.order),
        "bulk": bulk_bar(request, filters, urls),
        **more,
    }
    return render_list(request, page, "sessions/_results.html", filters, context)


def _session(request: OrgRequest, session_id: UUID) -> Session:
    rows = Session.objects.select_related("agent", "agent__directive__active_version")
    return get_object_or_404(rows, org=request.access.org_id, pk=session_id)


def _turn(request: OrgRequest, session_id: UUID, index: int) -> Turn:
    turns = Turn.objects.filter(org=request.access.org_id, session=session_id)
    return get_object_or_404(turns, index=min(index, MAX_INDEX))


def _plain(text: bytes) -> HttpResponse:
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _conversation(request: OrgRequest, row: Session, archive: ArchiveLink | None) -> HttpResponse:
    form = PlaceForm(request.GET)
    if not form.is_valid():
        raise Http404
    said = form.cleaned_data
    if said["turn"] is not None:
        return redirect("turn", row.pk, min(said["turn"], max(row.turn_count - 1, 0)))
    found = find_in_session(row, said["q"], said["found_from"] or 0) if said["q"] else None
    conversation = read_conversation(row, form.place)
    if seen := [view.turn.index for view in conversation.turns if view.raw is not None]:
        services.note_raw_read(session=row, turns=seen, actor=request.actor)
    context = {
        "session": row,
        "agent": row.agent,
        "conversation": conversation,
        "begins_with": first_words(row),
        "place": form.place,
        "words": said["q"],
        "found": found,
        "archive": archive,
    }
    return render(request, "sessions/session.html", context)
