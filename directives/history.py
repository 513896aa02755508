"""The console's pages of what was pushed: versions, one version, roll back; and others' drafts."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from agents.models import Agent
from directives import services
from directives.editing import active_version, directive_of, mode_of, move, own_draft
from directives.errors import DraftConflict
from directives.forms import (
    MODE_WORDS,
    CopyVersionForm,
    OnDraftForm,
    RollBackForm,
    how_shown,
)
from directives.models import MAX_REASON, NEVER_PUSHED, DirectiveDraft, DirectiveVersion
from directives.usage import SAMPLE, usage_of
from directives.views import compared, find_agent
from ibex.errors import DomainError
from ibex.http import read_page
from ibex.keyset import Order
from ibex.line_differences import line_changes
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission

LATEST_FIRST = Order(("number",), descending=True)
MAX_NUMBER = 2**31 - 1
VERSIONS = 25
"""Of a page of the timeline: each comes with what came of its latest calls."""
INCOMPLETE = "This form was not complete. Look at what it would replace, then send it again."


@require_GET
@operator_page(Permission.DIRECTIVE_READ)
def versions(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """List an agent's versions, the latest first; `?base=&head=` compares any two."""
    agent = find_agent(request, agent_id)
    rows = DirectiveVersion.objects.of_agent(agent).without_text().with_ends()
    rows = rows.select_related("created_by", "rolled_back_from")
    page = read_page(request, rows, LATEST_FIRST, limit=VERSIONS)
    context = {
        "agent": agent,
        "active": active_version(agent),
        "page": page,
        "list_path": request.path,
        "rows": _timeline(agent, page.items),
        "sample": SAMPLE,
        **_comparison(request, agent),
    }
    return render(request, "directives/versions.html", context)


@require_GET
@operator_page(Permission.DIRECTIVE_READ)
def version(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Show one version whole, with what can be done with it."""
    agent = find_agent(request, agent_id)
    return _version(request, agent, find_version(agent, number))


@require_POST
@operator_page(Permission.DIRECTIVE_WRITE)
def edit_from(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Begin a draft with an old text, and where it went, on top of the active version."""
    agent = find_agent(request, agent_id)
    row, form = find_version(agent, number), CopyVersionForm(request.POST)
    if not form.is_valid():
        return _version(request, agent, row, status=HTTPStatus.BAD_REQUEST, refusal=INCOMPLETE)
    try:
        said = {"content": row.content, "injection_mode": row.injection_mode}
        _copy(request, agent, **said, **form.cleaned_data)
    except DomainError as error:
        return _version(request, agent, row, status=error.status, refusal=error.message)
    messages.success(request, f"The draft begins with the text of version {row.number}.")
    return redirect("agent-directive", agent.pk)


@require_POST
@operator_page(Permission.DIRECTIVE_PUSH)
def roll_back(request: OrgRequest, agent_id: UUID, number: int) -> HttpResponse:
    """Make an old text active again, as a new version."""
    agent = find_agent(request, agent_id)
    row, form = find_version(agent, number), RollBackForm(request.POST)
    if not form.is_valid():
        return _version(request, agent, row, form=form, status=HTTPStatus.BAD_REQUEST)
    try:
        made = services.roll_back_directive(
            agent=agent, to=row, actor=request.actor, **form.cleaned_data
        )
    except DomainError as error:
        agent = find_agent(request, agent_id)
        return _version(request, agent, row, status=error.status, refusal=error.message)
    messages.success(
        request,
        f"Version {made.number} is active from the next request on, a copy of version "
        f"{row.number}.",
    )
    return redirect("agent-directive-push", agent.pk, made.number)


@require_GET
@operator_page(Permission.DIRECTIVE_WRITE)
def draft(request: OrgRequest, agent_id: UUID, draft_id: UUID) -> HttpResponse:
    """Show a colleague's draft against the active version."""
    agent = find_agent(request, agent_id)
    return _draft(request, agent, _colleagues(agent, draft_id))


@require_POST
@operator_page(Permission.DIRECTIVE_WRITE)
def take_draft(request: OrgRequest, agent_id: UUID, draft_id: UUID) -> HttpResponse:
    """Copy a colleague's draft into one's own; theirs stays."""
    agent = find_agent(request, agent_id)
    row, form = _colleagues(agent, draft_id), OnDraftForm(request.POST)
    if not form.is_valid():
        return _draft(request, agent, row, status=HTTPStatus.BAD_REQUEST, refusal=INCOMPLETE)
    try:
        _copy(
            request,
            agent,
            content=row.content,
            base_version=row.base_version,
            injection_mode=row.injection_mode,
            reason=row.reason,
            **form.cleaned_data,
        )
    except DomainError as error:
        return _draft(request, agent, row, status=error.status, refusal=error.message)
    messages.success(request, f"This is a copy of the draft by {row.author}; theirs stays.")
    return redirect("agent-directive", agent.pk)


def find_version(agent: Agent, number: int) -> DirectiveVersion:
    """Return one of the agent's versions."""
    rows = DirectiveVersion.objects.of_agent(agent).with_ends()
    rows = rows.filter(number=min(number, MAX_NUMBER))
    return get_object_or_404(rows.select_related("created_by", "rolled_back_from", "directive"))


def _colleagues(agent: Agent, draft_id: UUID) -> DirectiveDraft:
    rows = DirectiveDraft.objects.filter(org=agent.org_id, agent=agent)
    return get_object_or_404(rows.select_related("operator", "token"), pk=draft_id)


def _comparison(request: OrgRequest, agent: Agent) -> dict[str, Any]:
    """Compare the two versions that the URL names; 0 is the nothing before the first."""
    form = compared(request)
    said = form.cleaned_data
    if said["base"] is None or said["head"] is None:
        return {"compare": form, **how_shown(form)}
    numbers = {said["base"], said["head"]} - {NEVER_PUSHED}
    found = {
        row.number: (row.content, row.injection_mode)
        for row in DirectiveVersion.objects.of_agent(agent).filter(number__in=numbers)
    }
    if numbers - set(found):
        raise Http404
    shown = how_shown(form)
    nothing = ("", None)
    (old, before), (new, after) = (found.get(said[side], nothing) for side in ("base", "head"))
    return {
        "compare": form,
        "base": said["base"],
        "head": said["head"],
        "title": _title(said["base"], said["head"]),
        "compares": True,
        "difference": line_changes(old, new, ignore_whitespace=shown["ignoring"]),
        "moved": move(before, after),
        **shown,
    }


def _timeline(agent: Agent, versions: list[DirectiveVersion]) -> list[Any]:
    """Put beside each version where its text went, in words, and what came of it."""
    found = usage_of(agent, versions) if versions else {}
    return [(row, MODE_WORDS[row.injection_mode], found[row.pk]) for row in versions]


def _title(base: int, head: int) -> str:
    old, new = (f"version {number}" if number else "nothing" for number in (base, head))
    return f"From {old} to {new}"


def _copy(
    request: OrgRequest, agent: Agent, *, draft: UUID | None, revision: int, **said: Any
) -> None:
    """Save a copy as one's own draft; one that is there already is not made twice."""
    try:
        services.save_draft(
            agent=agent, actor=request.actor, draft_id=draft, revision=revision, **said
        )
    except DraftConflict:
        mine = own_draft(agent, request.actor)
        if any(getattr(mine, name, None) != value for name, value in said.items()):
            raise


def _replacing(agent: Agent, request: OrgRequest, content: str, mode: str) -> dict[str, Any]:
    """Put one's own draft beside what would replace it; the form names that save."""
    mine = own_draft(agent, request.actor)
    moved = move(mode_of(agent, mine), mode) if mine else None
    return {
        "mine": mine,
        "replaces": mine is not None and (mine.content != content or moved is not None),
        "replacing": partial(line_changes, mine.content, content) if mine else None,
        "replacing_moved": moved,
        "revision": mine.revision if mine else 0,
    }


def _draft(
    request: OrgRequest,
    agent: Agent,
    row: DirectiveDraft,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    active, mode = active_version(agent), mode_of(agent, row)
    context = {
        "agent": agent,
        "active": active,
        "draft": row,
        "difference": line_changes(active.content if active else "", row.content),
        "moved": move(active.injection_mode if active else None, mode),
        **_replacing(agent, request, row.content, mode),
        **more,
    }
    return render(request, "directives/draft.html", context, status=status)


def _version(
    request: OrgRequest,
    agent: Agent,
    row: DirectiveVersion,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    active, directive = active_version(agent), directive_of(agent)
    context = {
        "agent": agent,
        "active": active,
        "is_active": directive is not None and directive.active_version_id == row.pk,
        "version": row,
        "mode": MODE_WORDS[row.injection_mode],
        "usage": usage_of(agent, [row])[row.pk],
        "lines": row.content.split("\n"),
        **_replacing(agent, request, row.content, row.injection_mode),
        "form": RollBackForm(initial={"base_version": active.number if active else None}),
        "max_reason": MAX_REASON,
        **more,
    }
    return render(request, "directives/version.html", context, status=status)
