"""The console's pages of a directive that is being written: list, editor, review and push."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from agents.models import Agent
from directives import services
from directives.checks import check_text
from directives.editing import (
    active_version,
    begin,
    directive_of,
    find_conflict,
    mode_of,
    move,
    others,
    own_draft,
    with_directives,
)
from directives.errors import DirectiveConflict, DraftConflict
from directives.filters import DirectiveFilter
from directives.forms import MODE_WORDS, CompareForm, DraftForm, PushForm, how_shown
from directives.listing import directive_rows, listed_directives
from directives.models import MAX_BYTES, DirectiveDraft
from directives.pushes import push_status
from ibex.counts import CAP, capped
from ibex.errors import DomainError
from ibex.http import page_or_fragment, read_page, render_list
from ibex.line_differences import line_changes
from memories.retrieval import estimate_tokens
from orgs.access import OrgRequest, operator_page
from orgs.permissions import Permission
from sessions.models import Session


@require_GET
@operator_page(Permission.DIRECTIVE_READ)
def directives(request: OrgRequest) -> HttpResponse:
    """List the agents with what each of them runs, and whether somebody writes on it."""
    org_id = request.access.org_id
    filters = DirectiveFilter(request.GET, listed_directives(org_id, request.actor), org_id=org_id)
    page = read_page(request, filters.rows, filters.order)
    context = {"page": page, "rows": directive_rows(page.items)}
    return render_list(
        request, "directives/directives.html", "directives/_results.html", filters, context
    )


@require_GET
@operator_page(Permission.DIRECTIVE_READ)
def directive_peek(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show what an agent runs and which proxies do, beside the list; the text stays on its page."""
    agent = find_agent(request, agent_id)
    row, active = directive_of(agent), active_version(agent)
    context = {
        "agent": agent,
        "active": active,
        "mode": MODE_WORDS[row.injection_mode] if row else "",
        "tokens": estimate_tokens(active.content) if active else 0,
        "push": push_status(agent, active) if active else None,
        "mine": own_draft(agent, request.actor),
    }
    return render(request, "directives/_peek.html", context)


@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
@operator_page(Permission.DIRECTIVE_READ)
def directive(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Edit an agent's directive; a POST saves the draft. htmx gets who else is at it."""
    agent = find_agent(request, agent_id)
    draft = own_draft(agent, request.actor)
    if request.method == "GET":
        return _editor(request, agent, draft, begin(agent, draft))
    require(request, Permission.DIRECTIVE_WRITE)
    form = DraftForm(request.POST)
    if not form.is_valid():
        return _editor(request, agent, draft, form, status=HTTPStatus.BAD_REQUEST)
    try:
        services.save_draft(agent=agent, actor=request.actor, **form.said())
    except DraftConflict:
        return _other_window(request, agent, draft, form)
    except DomainError as error:
        form.add_error("content", error.message)
        return _editor(request, agent, draft, form, status=error.status)
    if "review" in request.POST or form.cleaned_data["merged"]:
        return redirect("agent-directive-review", agent.pk)
    messages.success(request, "The draft is saved.")
    return redirect("agent-directive", agent.pk)


@require_POST
@operator_page(Permission.DIRECTIVE_WRITE)
def save_draft(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Save what stands in the editor, while it is being written; answer with one line."""
    agent, form = find_agent(request, agent_id), DraftForm(request.POST)
    if not form.is_valid():
        words = next(iter(form.errors.values()))[0]
        return _saved(request, status=HTTPStatus.BAD_REQUEST, problem=words)
    try:
        draft = services.save_draft(agent=agent, actor=request.actor, **form.said())
    except DomainError as error:
        return _saved(request, status=error.status, problem=error.message)
    return _saved(request, draft=draft, tokens=estimate_tokens(draft.content))


@require_POST
@operator_page(Permission.DIRECTIVE_WRITE)
def discard_draft(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Throw the operator's own draft away."""
    agent = find_agent(request, agent_id)
    services.discard_draft(agent=agent, actor=request.actor)
    messages.success(request, "The draft is thrown away. This is the active version.")
    return redirect("agent-directive", agent.pk)


@require_http_methods(["GET", "POST"])
@operator_page(Permission.DIRECTIVE_READ)
def review(request: OrgRequest, agent_id: UUID) -> HttpResponse:
    """Show what the draft would change, whom it affects and what looks wrong; a POST pushes it."""
    agent = find_agent(request, agent_id)
    draft = own_draft(agent, request.actor)
    if draft is None:
        messages.warning(request, "There is no draft to review. Write one first.")
        return redirect("agent-directive", agent.pk)
    if find_conflict(agent, draft):
        return _conflict(request, agent, draft)
    if request.method == "POST":
        return _push(request, agent, draft)
    form = PushForm(initial={"reason": draft.reason, **_seen(draft)})
    return _review(request, agent, draft, form)


def _push(request: OrgRequest, agent: Agent, draft: DirectiveDraft) -> HttpResponse:
    """Push the draft, if it is still the one that was reviewed."""
    require(request, Permission.DIRECTIVE_PUSH)
    form = PushForm(request.POST)
    if not form.is_valid():
        return _review(request, agent, draft, form, status=HTTPStatus.BAD_REQUEST)
    if not draft.is_seen_as(form.cleaned_data["draft"], form.cleaned_data["revision"]):
        words = "The draft was saved again since you reviewed it. This is how it reads now."
        form = PushForm(initial={**form.cleaned_data, **_seen(draft)})
        return _review(request, agent, draft, form, status=HTTPStatus.CONFLICT, refusal=words)
    before = active_version(agent)
    try:
        version = services.push_directive(
            agent=agent,
            content=draft.content,
            actor=request.actor,
            reason=form.cleaned_data["reason"],
            base_version=draft.base_version,
            injection_mode=draft.injection_mode,
        )
    except DirectiveConflict:
        return _conflict(request, find_agent(request, agent.pk), draft)
    except DomainError as error:
        return _review(request, agent, draft, form, status=error.status, refusal=error.message)
    made = before is None or version.number != before.number
    messages.success(
        request,
        f"Version {version.number} is active from the next request on."
        if made
        else "No new version: this text was active already, and where it goes is as it was.",
    )
    return redirect("agent-directive-push", agent.pk, version.number)


def find_agent(request: OrgRequest, agent_id: UUID) -> Agent:
    """Return the agent with what it runs; another organization's is missing."""
    return get_object_or_404(with_directives(request.access.org_id), pk=agent_id)


def require(request: OrgRequest, needs: Permission) -> None:
    """Refuse an operator whose role does not hold `needs`."""
    if needs & ~request.access.permissions:
        raise PermissionDenied


def compared(request: OrgRequest) -> CompareForm:
    """Read what is to be compared; nonsense is a missing page."""
    form = CompareForm(request.GET)
    if not form.is_valid():
        raise Http404
    return form


def _seen(draft: DirectiveDraft | None) -> dict[str, Any]:
    """Name the save that a form on one's own draft shows."""
    return {"draft": draft and draft.pk, "revision": draft.revision if draft else 0}


def _saved(request: OrgRequest, *, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
    return render(request, "directives/_saved.html", context, status=status)


def _editor(
    request: OrgRequest,
    agent: Agent,
    draft: DirectiveDraft | None,
    form: DraftForm,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    context = {
        "agent": agent,
        "directive": directive_of(agent),
        "active": active_version(agent),
        "draft": draft,
        "form": form,
        "others": others(agent, draft),
        "max_bytes": MAX_BYTES,
        "tokens": estimate_tokens(form.text),
        **more,
    }
    template = page_or_fragment(request, "directives/directive.html", "directives/_beside.html")
    return render(request, template, context, status=status)


def _other_window(
    request: OrgRequest, agent: Agent, draft: DirectiveDraft | None, form: DraftForm
) -> HttpResponse:
    """Keep this window's text and show what the other one saved; saving again replaces that."""
    kept = form.text
    stored = draft.content if draft else ""
    again = DraftForm(initial={**form.cleaned_data, "content": kept, **_seen(draft)})
    more = {"other_window": line_changes(stored, kept), "other_draft": draft}
    return _editor(request, agent, draft, again, status=HTTPStatus.CONFLICT, **more)


def _conflict(request: OrgRequest, agent: Agent, draft: DirectiveDraft) -> HttpResponse:
    """Keep the operator's text and show what either side did to the version they began from."""
    conflict = find_conflict(agent, draft)
    form = begin(agent, draft)
    return _editor(
        request, agent, draft, form, status=HTTPStatus.CONFLICT, conflict=conflict, merging=True
    )


def _review(
    request: OrgRequest,
    agent: Agent,
    draft: DirectiveDraft,
    form: PushForm,
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    """Put the draft beside the active version, with everything a reviewer asks first."""
    active = active_version(agent)
    checks = check_text(draft.content, active.content if active else "")
    shown = how_shown(compared(request))
    live = Session.objects.filter(org=agent.org_id, agent=agent, status=Session.Status.ACTIVE)
    moved = move(active.injection_mode if active else None, mode_of(agent, draft))
    context = {
        "agent": agent,
        "active": active,
        "draft": draft,
        "form": form,
        "difference": line_changes(
            active.content if active else "", draft.content, ignore_whitespace=shown["ignoring"]
        ),
        **shown,
        "moved": moved,
        "checks": checks,
        "has_changes": moved is not None or active is None or active.content != draft.content,
        "is_forbidden": any(check.state == "bad" for check in checks),
        "live_sessions": capped(live.order_by().values("pk")[: CAP + 1].count()),
        "push": push_status(agent, active) if active else None,
        **more,
    }
    return render(request, "directives/review.html", context, status=status)
