"""The management API of memories: what the console does, with the same services and filters."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from ibex.api import Reason, filter_query, visible_rows
from ibex.keyset import Order
from ibex.openapi import documented, page_of
from ibex.tenancy import tenant
from jobs.api import JobSerializer
from memories import services
from memories.api.base import (
    CHANGED,
    EDITED,
    KNOWN_ALREADY,
    MEMORIES,
    MemoryViewSet,
    refuse_sharing,
)
from memories.api.many import BulkChange, BulkOutcome, change, read_bulk
from memories.browsing import detail
from memories.browsing.finding import find_memories, query_vector
from memories.browsing.listing import MOST_RECALLED, ORDERS
from memories.bulk import ACTIONS
from memories.examples import QUESTION
from memories.filters import MemoryFilter
from memories.jobs import KIND
from memories.models import Memory, MemoryUse
from memories.serializers import (
    Feedback,
    MemoryChanges,
    MemoryDetail,
    MemorySerializer,
    MemoryVersionSerializer,
    NewOrgMemory,
    OrgQuestion,
    Question,
    RelatedMemories,
    ReviewDecision,
    SearchResult,
    WrittenMemory,
)
from memories.steering import review
from orgs.permissions import Permission

NEWEST_VERSION_FIRST = Order(("number",), descending=True)
DECISIONS: dict[str, Callable[..., Memory]] = {
    "keep": review.keep_memory,
    "replace": review.replace_with_memory,
    "keep_both": review.keep_both,
    "reject": review.reject_memory,
}


class ListedMemories(MemoryViewSet):
    """Lists of memories by the console's own filter, in the order that it names."""

    def listed(self, rows: QuerySet[Memory] | None = None) -> Response:
        """Answer one page; most recalled lists only what ever stood in a prompt."""
        found, query = self.filtered(MemoryFilter, rows)
        show = MemorySerializer().to_representation
        order = self.request.query_params.get("sort", "newest")
        if order != "recalled":
            return self.page(found, query, show, ORDERS[order])
        uses = MemoryUse.objects.filter(org=self.caller.org_id, memory__in=found.values("pk"))
        lean = uses.select_related("memory").prefetch_related("memory__labels")
        return self.page(lean, query, lambda use: show(use.memory), MOST_RECALLED)

    def answer_search(self, agent: Agent, question: dict[str, Any]) -> Response:
        """Search as the agent would, for one subject or for none; call it without a transaction."""
        vector = query_vector(agent.org_id, question["query"], question["mode"])
        subject = question.get("subject") or None
        return Response(find_memories(agent, question, subject=subject, vector=vector))


class OrgMemoryViewSet(ListedMemories):
    """What the organization's agents have learned, for those who steer them."""

    serializer = MemoryDetail
    required: ClassVar = {
        "list": Permission.MEMORY_READ,
        "retrieve": Permission.MEMORY_READ,
        "versions": Permission.MEMORY_READ,
        "related": Permission.MEMORY_READ,
        "search": Permission.MEMORY_READ,
        "create": Permission.MEMORY_WRITE,
        "partial_update": Permission.MEMORY_WRITE,
        "bulk": Permission.MEMORY_WRITE,
        "feedback": Permission.MEMORY_WRITE,
        "archive": Permission.MEMORY_WRITE,
        "restore": Permission.MEMORY_WRITE,
        "destroy": Permission.MEMORY_DELETE,
        "quarantine": Permission.MEMORY_REVIEW,
        "review": Permission.MEMORY_REVIEW,
    }
    enters_tenant_itself = frozenset({"create", "search", "partial_update"})

    @documented(query=filter_query(MemoryFilter), answers=page_of(MemorySerializer))
    def list(self, _request: Request) -> Response:
        """List memories of all agents, newest first unless sorted otherwise."""
        return self.listed()

    @documented(takes=NewOrgMemory, answers={200: WrittenMemory, 201: WrittenMemory})
    def create(self, request: Request) -> Response:
        """Have an agent remember something: 201, or 200 with the memory that says it already."""
        with tenant(self.caller.org_id):
            values = self.read(NewOrgMemory, request.data)
        refuse_sharing(self.caller, values)
        agent = values.pop("agent_id")
        result = services.write_memory(agent=agent, actor=self.caller.actor, **values)
        with tenant(self.caller.org_id):
            row = MemorySerializer(MEMORIES.get(pk=result.memory.pk)).data
        status = 200 if result.outcome in KNOWN_ALREADY else 201
        return Response({**row, "outcome": result.outcome.value}, status=status)

    @documented(takes=OrgQuestion, answers=SearchResult)
    def search(self, request: Request) -> Response:
        """Search among one agent's memories as the agent would."""
        with tenant(self.caller.org_id):
            question = self.read(OrgQuestion, request.data)
        return self.answer_search(question.pop("agent_id"), question)

    @documented(
        takes=BulkChange,
        answers={200: BulkOutcome, 202: JobSerializer},
        refuses={409: ["SELECTION_CHANGED"]},
    )
    def bulk(self, request: Request) -> Response:
        """Archive, restore, tag or delete many memories; over 500 become a job (202).

        With `filter`, `expected` is the number of memories that it finds; when it is another by
        now, nothing is changed. Deleting needs the permission MemoryDelete too.
        """
        asked = self.read(BulkChange, request.data)
        action = ACTIONS[asked["action"]]
        self.require(action.needs)
        rows = self.get_queryset().prefetch_related(None)
        selection = read_bulk(asked, MemoryFilter, rows, self.caller)
        options = {name: asked[name] for name in ("add", "remove") if asked["action"] == "tag"}
        reason = asked["reason"]
        return change(selection, action, self.caller, kind=KIND, reason=reason, **options)

    @documented(answers=MemoryDetail)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one memory, a deleted one too: it can be restored."""
        return Response(MemoryDetail(self.get_object()).data)

    @documented(answers=page_of(MemoryVersionSerializer))
    def versions(self, _request: Request, **_ids: UUID) -> Response:
        """List how a memory stood after each change, the newest first."""
        query = self.read_page()
        rows = self.get_object().versions.all()
        show = MemoryVersionSerializer().to_representation
        return self.page(rows, query, show, NEWEST_VERSION_FIRST)

    @documented(answers=RelatedMemories)
    def related(self, _request: Request, **_ids: UUID) -> Response:
        """Show how other memories stand to this one, and which are nearest in meaning."""
        memory = self.get_object()
        edges = [{"relation": edge.words, "memory": edge.memory} for edge in detail.edges(memory)]
        near = [
            {"cosine": near.cosine, "memory": near.memory} for near in detail.neighbours(memory)
        ]
        return Response(RelatedMemories({"edges": edges, "neighbours": near}).data)

    @documented(takes=MemoryChanges, answers=MemoryDetail, refuses=EDITED)
    def partial_update(self, request: Request, **_ids: UUID) -> Response:
        """Change a memory, with a reason for its history."""
        with tenant(self.caller.org_id):
            memory = self.get_object()
        return self.edit(request, memory)

    @documented(answers={204: None})
    def destroy(self, request: Request, **_ids: UUID) -> Response:
        """Forget a memory."""
        self._change(request, services.delete_memory)
        return Response(status=204)

    @documented(takes=Reason, answers=MemoryDetail, refuses=CHANGED)
    def archive(self, request: Request, **_ids: UUID) -> Response:
        """Put a memory away; it is no longer used."""
        return self.show(self._change(request, services.archive_memory))

    @documented(takes=Reason, answers=MemoryDetail, refuses=EDITED)
    def restore(self, request: Request, **_ids: UUID) -> Response:
        """Use a deleted, archived, merged or superseded memory again."""
        return self.show(self._change(request, services.restore_memory))

    @documented(takes=Reason, answers=MemoryDetail, refuses=CHANGED)
    def quarantine(self, request: Request, **_ids: UUID) -> Response:
        """Keep a memory from every prompt until somebody reviews it."""
        return self.show(self._change(request, services.quarantine_memory))

    @documented(takes=ReviewDecision, answers=MemoryDetail, refuses=EDITED)
    def review(self, request: Request, **_ids: UUID) -> Response:
        """Decide about a memory that waits: keep, replace, keep both with dates, or reject."""
        memory, asked = self.get_object(), self.read(ReviewDecision, request.data)
        decide = DECISIONS[asked.pop("decision")]
        return self.show(decide(memory=memory, actor=self.caller.actor, **asked))

    @documented(takes=Feedback, answers=MemoryDetail)
    def feedback(self, request: Request, **_ids: UUID) -> Response:
        """Say whether a memory helped; it moves its usefulness."""
        memory, rating = self.get_object(), self.read(Feedback, request.data)["rating"]
        actor = self.caller.actor
        return self.show(services.record_feedback(memory=memory, rating=rating, actor=actor))

    def _change(self, request: Request, change: Callable[..., Memory]) -> Memory:
        memory = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        return change(memory=memory, actor=self.caller.actor, reason=reason)


class MemoriesOfAgentViewSet(ListedMemories):
    """One agent's memories in the management API."""

    required: ClassVar = {"list": Permission.MEMORY_READ, "search": Permission.MEMORY_READ}
    enters_tenant_itself = frozenset({"search"})

    @documented(query=filter_query(MemoryFilter), answers=page_of(MemorySerializer))
    def list(self, _request: Request, agent_id: UUID) -> Response:
        """List what one agent has learned, newest first unless sorted otherwise."""
        return self.listed(self.get_queryset().filter(agent=self._agent(agent_id)))

    @documented(takes=Question, answers=SearchResult, examples=[QUESTION])
    def search(self, request: Request, agent_id: UUID) -> Response:
        """Search as the agent would, for one subject or for none."""
        with tenant(self.caller.org_id):
            agent = self._agent(agent_id)
        return self.answer_search(agent, self.read(Question, request.data))

    def _agent(self, agent_id: UUID) -> Agent:
        return get_object_or_404(visible_rows(Agent.objects.all(), self.caller), pk=agent_id)
