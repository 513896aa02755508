"""The memory API for agents, at `/v1/memories`."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from ibex.openapi import documented, page_of
from ibex.tenancy import tenant
from memories import services
from memories.acting import acting_agent, acting_subject, visible_to
from memories.api.base import EDITED, KNOWN_ALREADY, MEMORIES, MemoryViewSet, refuse_sharing
from memories.browsing.finding import find_memories, query_vector
from memories.examples import MEMORY, NEW_MEMORY, QUESTION
from memories.models import Memory, MemoryQuerySet
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
from orgs.authentication import TokenAuthentication
from orgs.permissions import Permission

FILTERS = ("status", "category", "subject")


class AgentQuestion(Question):
    """A search that may name the agent in its body instead of the header."""

    agent_id = serializers.UUIDField(required=False)


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

    def narrowed(self, memories: Any, query: dict[str, Any]) -> Any:
        """Apply the filters; deleted memories are listed only when asked for."""
        memories = memories.filter(**{name: query[name] for name in FILTERS if name in query})
        return memories if "status" in query else memories.exclude(status=Memory.Status.DELETED)
