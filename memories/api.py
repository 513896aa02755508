"""The memory APIs: for agents at `/v1/memories`, for operators at `/api/v1`."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from ibex.api import OrgRelatedField, OrgViewSet, PageQuery, Reason, visible_rows
from ibex.openapi import documented, page_of
from ibex.tenancy import tenant
from memories import services
from memories.acting import acting_agent, acting_subject, visible_to
from memories.browsing.finding import find_memories, query_vector
from memories.examples import MEMORY, NEW_MEMORY, QUESTION
from memories.learning.dead_letters import retry_dead_letter
from memories.models import DeadLetter, Memory, MemoryQuerySet
from memories.serializers import (
    Feedback,
    MemoryChanges,
    MemoryQuery,
    MemorySerializer,
    NewMemory,
    Question,
    SearchResult,
    WrittenMemory,
)
from memories.services import Outcome
from orgs.authentication import Caller, TokenAuthentication
from orgs.permissions import Permission
from orgs.refusals import AgentNotAuthorized

MEMORIES = Memory.objects.prefetch_related("labels")
KNOWN_ALREADY = {Outcome.DUPLICATE, Outcome.MERGED}
FILTERS = ("status", "category", "subject")


CHANGED = {409: ["MEMORY_STATUS_REFUSED"]}
EDITED = {409: ["MEMORY_ALREADY_KNOWN", "MEMORY_STATUS_REFUSED"]}


class AgentQuestion(Question):
    """A search that may name the agent in its body instead of the header."""

    agent_id = serializers.UUIDField(required=False)


class OrgMemoryQuery(MemoryQuery):
    """The filters of the organization's list of memories."""

    agent_id = OrgRelatedField(queryset=Agent.objects.all(), required=False)


class MemoryViewSet(OrgViewSet[Memory]):
    """What every memory endpoint shares."""

    queryset = MEMORIES

    def narrowed(self, memories: Any, query: dict[str, Any]) -> Any:
        """Apply the filters; deleted memories are listed only when asked for."""
        memories = memories.filter(**{name: query[name] for name in FILTERS if name in query})
        return memories if "status" in query else memories.exclude(status=Memory.Status.DELETED)

    def show(self, memory: Memory, status: int = 200, **more: Any) -> Response:
        """Answer with a memory as it stands now."""
        with tenant(self.caller.org_id):
            row = MemorySerializer(MEMORIES.get(pk=memory.pk)).data
        return Response({**row, **more}, status=status)

    def edit(self, request: Request, memory: Memory) -> Response:
        """Change a memory; outside of a transaction, since new content is embedded."""
        changes = self.read(MemoryChanges, request.data)
        reason = changes.pop("reason")
        refuse_sharing(self.caller, changes)
        if changes:
            memory = services.edit_memory(
                memory=memory, actor=self.caller.actor, reason=reason, **changes
            )
        return self.show(memory)


class AgentMemoryViewSet(MemoryViewSet):
    """An agent's own door: remember, search, correct and forget, for its end users."""

    authentication_classes = [TokenAuthentication]
    required: ClassVar = {
        "create": Permission.MEMORY_WRITE,
        "search": Permission.MEMORY_READ,
        "list": Permission.MEMORY_READ,
        "retrieve": Permission.MEMORY_READ,
        "partial_update": Permission.MEMORY_WRITE,
        "destroy": Permission.MEMORY_DELETE,
        "feedback": Permission.MEMORY_WRITE,
    }
    enters_tenant_itself = frozenset({"create", "search", "partial_update"})

    @documented(
        takes=NewMemory,
        answers={200: WrittenMemory, 201: WrittenMemory},
        examples=[NEW_MEMORY, MEMORY],
    )
    def create(self, request: Request) -> Response:
        """Remember something: 201 with the memory, or 200 with the one that says it already."""
        values = self.read(NewMemory, request.data)
        subject = acting_subject(request, values.pop("subject", None))
        agent = self._agent()
        refuse_sharing(self.caller, values)
        result = services.write_memory(
            agent=agent, actor=self.caller.actor, subject=subject, **values
        )
        status = 200 if result.outcome in KNOWN_ALREADY else 201
        return self.show(result.memory, status, outcome=result.outcome.value)

    @documented(takes=AgentQuestion, answers=SearchResult, examples=[QUESTION])
    def search(self, request: Request) -> Response:
        """Find memories by meaning and by words."""
        question = self.read(AgentQuestion, request.data)
        subject = acting_subject(request, question.get("subject"))
        agent = self._agent(question.get("agent_id"))
        vector = query_vector(agent.org_id, question["query"], question["mode"])
        return Response(find_memories(agent, question, subject=subject, vector=vector))

    @documented(query=MemoryQuery, answers=page_of(MemorySerializer))
    def list(self, request: Request) -> Response:
        """List what the agent remembers for everyone, or for one end user as well."""
        query = self.read_query(MemoryQuery)
        memories = self._visible(acting_subject(request, query.pop("subject", None)))
        return self.page(self.narrowed(memories, query), query, self._row)

    @documented(answers=MemorySerializer)
    def retrieve(self, request: Request, **ids: UUID) -> Response:
        """Show one memory."""
        return Response(self._row(self._memory(request, **ids)))

    @documented(takes=MemoryChanges, answers=MemorySerializer, refuses=EDITED)
    def partial_update(self, request: Request, **ids: UUID) -> Response:
        """Correct a memory."""
        with tenant(self.caller.org_id):
            memory = self._memory(request, **ids)
        return self.edit(request, memory)

    @documented(answers={204: None})
    def destroy(self, request: Request, **ids: UUID) -> Response:
        """Forget a memory."""
        services.delete_memory(memory=self._memory(request, **ids), actor=self.caller.actor)
        return Response(status=204)

    @documented(takes=Feedback, answers=MemorySerializer)
    def feedback(self, request: Request, **ids: UUID) -> Response:
        """Say whether a memory helped; it moves its usefulness."""
        memory = self._memory(request, **ids)
        rating = self.read(Feedback, request.data)["rating"]
        memory = services.record_feedback(memory=memory, rating=rating, actor=self.caller.actor)
        return self.show(memory)

    def _agent(self, named: UUID | None = None) -> Agent:
        with tenant(self.caller.org_id):
            return acting_agent(self.request, self.caller, named)

    def _visible(self, subject: str | None) -> MemoryQuerySet:
        agent = acting_agent(self.request, self.caller)
        return visible_to(MEMORIES, agent, subject)

    def _memory(self, request: Request, **ids: UUID) -> Memory:
        memory = self._visible(acting_subject(request)).filter(**ids).first()
        if memory is None:
            raise Http404
        return memory

    def _row(self, memory: Memory) -> Any:
        return MemorySerializer().to_representation(memory)


class OrgMemoryViewSet(MemoryViewSet):
    """What the organization's agents have learned, for those who steer them."""

    required: ClassVar = {
        "list": Permission.MEMORY_READ,
        "retrieve": Permission.MEMORY_READ,
        "partial_update": Permission.MEMORY_WRITE,
        "destroy": Permission.MEMORY_DELETE,
        "archive": Permission.MEMORY_WRITE,
        "restore": Permission.MEMORY_WRITE,
    }
    enters_tenant_itself = frozenset({"partial_update"})

    @documented(query=OrgMemoryQuery, answers=page_of(MemorySerializer))
    def list(self, _request: Request) -> Response:
        """List memories of all agents, newest first."""
        query = self.read_query(OrgMemoryQuery)
        memories = self.narrowed(self.get_queryset(), query)
        if "agent_id" in query:
            memories = memories.filter(agent=query["agent_id"])
        return self.page(memories, query, MemorySerializer().to_representation)

    @documented(answers=MemorySerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one memory, a deleted one too: it can be restored."""
        return Response(MemorySerializer(self.get_object()).data)

    @documented(takes=MemoryChanges, answers=MemorySerializer, refuses=EDITED)
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

    @documented(takes=Reason, answers=MemorySerializer, refuses=CHANGED)
    def archive(self, request: Request, **_ids: UUID) -> Response:
        """Put a memory away; it is no longer used."""
        return self.show(self._change(request, services.archive_memory))

    @documented(takes=Reason, answers=MemorySerializer, refuses=EDITED)
    def restore(self, request: Request, **_ids: UUID) -> Response:
        """Use a deleted, archived, merged or superseded memory again."""
        return self.show(self._change(request, services.restore_memory))

    def _change(self, request: Request, change: Any) -> Memory:
        memory = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        changed: Memory = change(memory=memory, actor=self.caller.actor, reason=reason)
        return changed


class MemoriesOfAgentViewSet(MemoryViewSet):
    """One agent's memories in the management API."""

    required: ClassVar = {"list": Permission.MEMORY_READ, "search": Permission.MEMORY_READ}
    enters_tenant_itself = frozenset({"search"})

    @documented(query=MemoryQuery, answers=page_of(MemorySerializer))
    def list(self, _request: Request, agent_id: UUID) -> Response:
        """List what one agent has learned, newest first."""
        agent = self._agent(agent_id)
        query = self.read_query(MemoryQuery)
        memories = self.narrowed(self.get_queryset().filter(agent=agent), query)
        return self.page(memories, query, MemorySerializer().to_representation)

    @documented(takes=Question, answers=SearchResult, examples=[QUESTION])
    def search(self, request: Request, agent_id: UUID) -> Response:
        """Search as the agent would, for one subject or for none."""
        with tenant(self.caller.org_id):
            agent = self._agent(agent_id)
        question = self.read(Question, request.data)
        vector = query_vector(agent.org_id, question["query"], question["mode"])
        subject = question.get("subject") or None
        return Response(find_memories(agent, question, subject=subject, vector=vector))

    def _agent(self, agent_id: UUID) -> Agent:
        return get_object_or_404(visible_rows(Agent.objects.all(), self.caller), pk=agent_id)


class DeadLetterSerializer(serializers.ModelSerializer[DeadLetter]):
    """Turns that could not be learned from; where their words are, not the words."""

    class Meta:
        model = DeadLetter
        fields = [
            "id",
            "agent_id",
            "session_id",
            "first_turn",
            "last_turn",
            "reason",
            "extractor",
            "attempts",
            "retry_after",
            "resolved_at",
            "created_at",
        ]


class DeadLetterQuery(PageQuery):
    """The filters of the list of dead letters."""

    status = serializers.ChoiceField(["open", "resolved"], required=False)
    agent_id = OrgRelatedField(queryset=Agent.objects.all(), required=False)


class DeadLetterViewSet(OrgViewSet[DeadLetter]):
    """See what could not be learned from, and have it tried again."""

    queryset = DeadLetter.objects.all()
    required: ClassVar = {"list": Permission.JOB_MANAGE, "retry": Permission.JOB_MANAGE}

    @documented(query=DeadLetterQuery, answers=page_of(DeadLetterSerializer))
    def list(self, _request: Request) -> Response:
        """List dead letters, newest first."""
        query = self.read_query(DeadLetterQuery)
        letters: Any = self.get_queryset()
        if "status" in query:
            letters = letters.open() if query["status"] == "open" else letters.resolved()
        if "agent_id" in query:
            letters = letters.filter(agent=query["agent_id"])
        return self.page(letters, query, DeadLetterSerializer().to_representation)

    @documented(takes=Reason, answers=DeadLetterSerializer, refuses={409: ["DEAD_LETTER_RESOLVED"]})
    def retry(self, request: Request, **_ids: UUID) -> Response:
        """Make the turns due at once. 409 when they have been learned from."""
        letter = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        letter = retry_dead_letter(dead_letter=letter, actor=self.caller.actor, reason=reason)
        return Response(DeadLetterSerializer(letter).data)


def refuse_sharing(caller: Caller, values: dict[str, Any]) -> None:
    """Keep a token of one agent from writing what every agent of the org would be told."""
    if caller.agent_id is not None and values.get("visibility") == Memory.Visibility.ORG:
        raise AgentNotAuthorized
