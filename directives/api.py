"""The management API of directives."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from directives import services
from directives.editing import active_version, begin, directive_of, own_draft
from directives.models import (
    NEVER_PUSHED,
    Directive,
    DirectiveDraft,
    DirectiveVersion,
    VersionQuerySet,
)
from directives.pushes import push_status
from directives.serializers import (
    Copy,
    DiffQuery,
    DiffSerializer,
    DirectiveSerializer,
    DraftSerializer,
    ListedVersionSerializer,
    NewDraft,
    NewVersion,
    Placement,
    PushStatusSerializer,
    RollBack,
    VersionQuery,
    VersionSerializer,
)
from directives.usage import usage_of
from ibex.api import OrgViewSet
from ibex.keyset import Order, take_page
from ibex.line_differences import line_changes
from ibex.openapi import documented, page_of
from orgs.permissions import Permission

LATEST_FIRST = Order(("number",), descending=True)
MAX_NUMBER = 2**31 - 1
STALE = {409: ["AGENT_ARCHIVED", "DIRECTIVE_CONFLICT"]}
PUSH = OpenApiExample(
    "A push on top of version 3",
    {"content": "Answer in three bullet points.", "base_version": 3, "reason": "Too long"},
    request_only=True,
)


class AgentsDirective(OrgViewSet[Agent]):
    """Whatever is about the directive of one agent."""

    queryset = Agent.objects.select_related("directive__active_version__rolled_back_from")
    lookup_url_kwarg = "agent_id"

    def versions(self, agent: Agent) -> VersionQuerySet:
        """Return the agent's versions."""
        rows = DirectiveVersion.objects.of_agent(agent)
        return rows.select_related("rolled_back_from", "directive")

    def find(self, agent: Agent, number: int) -> DirectiveVersion:
        """Return one version; one that never was is missing."""
        return get_object_or_404(self.versions(agent), number=min(number, MAX_NUMBER))


class DirectiveViewSet(AgentsDirective):
    """Read what an agent runs, push, roll back, and see it arrive."""

    required: ClassVar = {
        "retrieve": Permission.DIRECTIVE_READ,
        "partial_update": Permission.DIRECTIVE_PUSH,
        "push": Permission.DIRECTIVE_PUSH,
        "rollback": Permission.DIRECTIVE_PUSH,
        "push_status": Permission.DIRECTIVE_READ,
        "retry_push": Permission.DIRECTIVE_PUSH,
    }

    @documented(answers=DirectiveSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show the active version of an agent's directive, with its text."""
        return self._show(self.get_object())

    @documented(takes=Placement, answers=DirectiveSerializer, refuses=STALE)
    def partial_update(self, request: Request, **_ids: UUID) -> Response:
        """Change where the text goes in the prompt: a new version with the same text.

        Before the first push it only says where the first text will go.
        """
        agent = self.get_object()
        said = self.read(Placement, request.data)
        services.change_injection_mode(agent=agent, actor=self.caller.actor, **said)
        return self._show(self.get_object())

    @documented(takes=NewVersion, answers=VersionSerializer, refuses=STALE, examples=[PUSH])
    def push(self, request: Request, **_ids: UUID) -> Response:
        """Make a text the active version, at its place in the prompt.

        Pushing what is active already answers with that version, so a push may be repeated.
        """
        agent = self.get_object()
        said = self.read(NewVersion, request.data)
        version = services.push_directive(agent=agent, actor=self.caller.actor, **said)
        return Response(VersionSerializer(version).data)

    @documented(takes=RollBack, answers=VersionSerializer, refuses=STALE)
    def rollback(self, request: Request, **_ids: UUID) -> Response:
        """Make an old text active again, as a new version that remembers where it came from."""
        agent = self.get_object()
        said = self.read(RollBack, request.data)
        old = self.find(agent, said.pop("version"))
        version = services.roll_back_directive(agent=agent, to=old, actor=self.caller.actor, **said)
        return Response(VersionSerializer(version).data)

    @documented(answers=PushStatusSerializer)
    def push_status(self, _request: Request, number: int, **_ids: UUID) -> Response:
        """Show which proxies run a version, and since when."""
        agent = self.get_object()
        return Response(PushStatusSerializer(push_status(agent, self.find(agent, number))).data)

    @documented(
        answers=PushStatusSerializer,
        refuses={409: ["AGENT_ARCHIVED", "PUSH_REPLACED", "PUSH_ARRIVED"]},
    )
    def retry_push(self, _request: Request, number: int, **_ids: UUID) -> Response:
        """Tell every proxy of the active version again, when some have not acknowledged it."""
        agent = self.get_object()
        version = self.find(agent, number)
        services.retry_push(agent=agent, version=version, actor=self.caller.actor)
        return Response(PushStatusSerializer(push_status(agent, version)).data)

    def _show(self, agent: Agent) -> Response:
        row = directive_of(agent)
        shown = {
            "agent_id": agent.pk,
            "injection_mode": row.injection_mode if row else Directive.InjectionMode.SYSTEM_FIRST,
            "active_version": active_version(agent),
        }
        return Response(DirectiveSerializer(shown).data)


class DirectiveDraftViewSet(AgentsDirective):
    """Read and write the caller's own draft: each operator and each token has one an agent."""

    http_method_names = ["get", "put", "delete", "head"]
    required: ClassVar = {
        "retrieve": Permission.DIRECTIVE_READ,
        "update": Permission.DIRECTIVE_WRITE,
        "destroy": Permission.DIRECTIVE_WRITE,
    }

    @documented(answers=DraftSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show the caller's draft, or what one would begin from."""
        agent = self.get_object()
        draft = own_draft(agent, self.caller.actor) or _unsaved(agent)
        return Response(DraftSerializer(draft).data)

    @documented(takes=NewDraft, answers=DraftSerializer, refuses={409: ["DRAFT_CONFLICT"]})
    def update(self, request: Request, **_ids: UUID) -> Response:
        """Save the caller's draft; nobody else's is touched."""
        agent = self.get_object()
        said = self.read(NewDraft, request.data)
        draft = services.save_draft(agent=agent, actor=self.caller.actor, **said)
        return Response(DraftSerializer(draft).data)

    @documented(answers={204: None})
    def destroy(self, _request: Request, **_ids: UUID) -> Response:
        """Throw the caller's draft away; it is no error when there is none."""
        services.discard_draft(agent=self.get_object(), actor=self.caller.actor)
        return Response(status=204)


class DirectiveVersionViewSet(AgentsDirective):
    """Look back on what was pushed, and take it elsewhere."""

    required: ClassVar = {
        "list": Permission.DIRECTIVE_READ,
        "retrieve": Permission.DIRECTIVE_READ,
        "diff": Permission.DIRECTIVE_READ,
        "copy": Permission.DIRECTIVE_WRITE,
    }

    @documented(query=VersionQuery, answers=page_of(ListedVersionSerializer))
    def list(self, _request: Request, **_ids: UUID) -> Response:
        """List an agent's versions, the latest first, without their texts."""
        agent, query = self.get_object(), self.read_query(VersionQuery)
        rows = self.versions(agent).without_text().with_ends()
        page = take_page(rows, limit=query["limit"], cursor=query["cursor"], order=LATEST_FIRST)
        context = {"usage": usage_of(agent, page.items)}
        items = ListedVersionSerializer(page.items, many=True, context=context).data
        return Response({"items": items, "next_cursor": page.next_cursor})

    @documented(answers=VersionSerializer)
    def retrieve(self, _request: Request, number: int, **_ids: UUID) -> Response:
        """Show one version with its text."""
        return Response(VersionSerializer(self.find(self.get_object(), number)).data)

    @documented(
        takes=Copy,
        answers=DraftSerializer,
        refuses={409: ["AGENT_ARCHIVED", "DRAFT_CONFLICT"]},
    )
    def copy(self, request: Request, number: int, **_ids: UUID) -> Response:
        """Make a version the caller's own draft for another agent, on top of what that one runs.

        A draft that the caller has there is replaced only if the body names its save.
        """
        version = self.find(self.get_object(), number)
        said = self.read(Copy, request.data)
        to, actor = said.pop("to_agent_id"), self.caller.actor
        draft = services.copy_version(version=version, to=to, actor=actor, **said)
        return Response(DraftSerializer(draft).data)

    @documented(query=DiffQuery, answers=DiffSerializer, refuses={400: ["VALIDATION_ERROR"]})
    def diff(self, _request: Request, **_ids: UUID) -> Response:
        """Compare any two versions line by line; by default the active one with the one before."""
        agent, query = self.get_object(), self.read_query(DiffQuery)
        active = active_version(agent)
        head = query.get("head", active.number if active else NEVER_PUSHED)
        base = query.get("base", max(head - 1, NEVER_PUSHED))
        said = self._said(agent, {base, head})
        (old, before), (new, after) = said[base], said[head]
        found = line_changes(old, new, ignore_whitespace=query["ignore_whitespace"])
        rows = [row for block in found.blocks for row in block.rows] if found else None
        shown = {
            "base": base,
            "head": head,
            "settings": [{"name": "injection_mode", "before": before, "after": after}]
            if before != after
            else [],
            "added_words": found.added if found else None,
            "removed_words": found.removed if found else None,
            "rows": rows,
        }
        return Response(DiffSerializer(shown).data)

    def _said(self, agent: Agent, numbers: set[int]) -> dict[int, tuple[str, str | None]]:
        """Return text and place of these versions; the one before the first has neither."""
        rows = DirectiveVersion.objects.of_agent(agent).filter(number__in=numbers)
        found: dict[int, tuple[str, str | None]] = {NEVER_PUSHED: ("", None)}
        found |= {row.number: (row.content, row.injection_mode) for row in rows}
        if numbers - set(found):
            raise Http404
        return found


def _unsaved(agent: Agent) -> Any:
    """Return the draft that one would begin: the active text, as yet unsaved."""
    start = begin(agent, None).initial
    draft = DirectiveDraft(
        pk=None, agent=agent, content=start["content"], base_version=start["base_version"]
    )
    draft.updated_at = None  # type: ignore[assignment] # it was never saved
    return draft
