"""The management API of agents."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import services
from agents.filters import AgentFilter
from agents.health import memory_health
from agents.models import Agent
from agents.stats import agent_stats
from ibex.api import OrgViewSet, Reason, StrictSerializer, Text, filter_query
from ibex.openapi import documented, page_of
from orgs.models import Organization
from orgs.permissions import Permission
from orgs.refusals import AgentNotAuthorized


class AgentConfig(StrictSerializer):
    """How an agent remembers; what is left out keeps its value, or gets the default."""

    memory_enabled = serializers.BooleanField(required=False)
    extraction_enabled = serializers.BooleanField(required=False)
    max_injected_memories = serializers.IntegerField(required=False, min_value=0, max_value=200)
    memory_budget_tokens = serializers.IntegerField(required=False, min_value=0, max_value=100_000)
    memory_position = serializers.ChoiceField(Agent.MemoryPosition.choices, required=False)
    default_model = Text(required=False, allow_blank=True, max_length=256)


class AgentValues(StrictSerializer):
    """What may be said about an agent, new or old."""

    description = Text(required=False, allow_blank=True, max_length=10_000)
    config = AgentConfig(required=False)


class NewAgent(AgentValues):
    """A new agent. `memory_scope` has no default: who shares memories is a decision."""

    name = Text(max_length=255)
    slug = serializers.RegexField(r"^[a-z0-9-]+\Z", max_length=100)
    memory_scope = serializers.ChoiceField(Agent.MemoryScope.choices)


class AgentChanges(AgentValues):
    """What may change about an agent; its slug and memory scope never do."""

    name = Text(required=False, max_length=255)


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent as the API shows it."""

    config = AgentConfig(source="*", read_only=True)

    class Meta:
        model = Agent
        fields = [
            "id",
            "name",
            "slug",
            "description",
            "status",
            "memory_scope",
            "config",
            "created_at",
            "updated_at",
        ]


class StatsQuery(StrictSerializer):
    """How far back the calls are counted."""

    days = serializers.IntegerField(min_value=1, max_value=90, default=30)


class NearPair(serializers.Serializer[Any]):
    """Two memories that are close in meaning."""

    one = serializers.UUIDField()
    other = serializers.UUIDField()
    cosine = serializers.FloatField()


class MemoryHealthSerializer(serializers.Serializer[Any]):
    """What an agent's memories are good for, of the newest in use that are over a week old."""

    looked_at = serializers.IntegerField(help_text="How many memories were looked at: up to 1000.")
    never_recalled = serializers.IntegerField(help_text="They never stood in a prompt.")
    vague = serializers.IntegerField(
        help_text="They have no subject key, and hardly a word or one that points elsewhere first."
    )
    transient = serializers.IntegerField(
        help_text="They end within a week of when they were observed, or say that they will."
    )
    near_another = serializers.IntegerField(
        help_text="Another of them, of the same subject, has a cosine over 0.85."
    )
    closest = NearPair(many=True, help_text="A few such pairs, the closest first.")
    loop_guard_stops = serializers.IntegerField(
        help_text="Turns within `days` of which something that IBEX had injected was kept out; "
        "1001 says more than 1,000."
    )
    unlearned = serializers.IntegerField(help_text="Open dead letters; 1001 says more than 1,000.")
    waiting_since = serializers.DateTimeField(
        allow_null=True, help_text="When the oldest turn was due to be learned from."
    )
    tokens_learning = serializers.IntegerField(
        help_text="What the extractor's model took within `days`."
    )


class AgentStatsSerializer(serializers.Serializer[Any]):
    """Calls within `days`, and what the agent has now."""

    days = serializers.IntegerField()
    requests = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Calls that answered 400 or more.")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    tokens_cached = serializers.IntegerField()
    memories_injected = serializers.IntegerField()
    tokens_injected = serializers.IntegerField(help_text="What the memories in prompts took.")
    last_request_at = serializers.DateTimeField(allow_null=True)
    sessions = serializers.IntegerField(
        help_text="Sessions that began within `days`; 1001 says more than 1,000."
    )
    memories = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="All memories, by status; 1001 says more than 1,000.",
    )
    memory_health = MemoryHealthSerializer()


RETIRED = {409: ["AGENT_ARCHIVED"]}
NEW_AGENT = OpenApiExample(
    "A support agent",
    {
        "name": "Support",
        "slug": "support",
        "memory_scope": "subject",
        "config": {"max_injected_memories": 10},
    },
    request_only=True,
)


class AgentViewSet(OrgViewSet[Agent]):
    """List, create, configure, pause and retire agents."""

    queryset = Agent.objects.all()
    required: ClassVar = {
        "list": Permission.AGENT_READ,
        "create": Permission.AGENT_WRITE,
        "retrieve": Permission.AGENT_READ,
        "stats": Permission.AGENT_READ,
        "partial_update": Permission.AGENT_WRITE,
        "activate": Permission.AGENT_WRITE,
        "pause": Permission.AGENT_WRITE,
        "archive": Permission.AGENT_WRITE,
    }

    @documented(query=filter_query(AgentFilter), answers=page_of(AgentSerializer))
    def list(self, _request: Request) -> Response:
        """List agents, newest first."""
        agents, query = self.filtered(AgentFilter)
        return self.page(agents, query, AgentSerializer().to_representation)

    @documented(
        takes=NewAgent,
        answers={201: AgentSerializer},
        refuses={403: ["AGENT_NOT_AUTHORIZED"], 409: ["CONFLICT"]},
        examples=[NEW_AGENT],
    )
    def create(self, request: Request) -> Response:
        """Create an agent; a token of one agent cannot make another."""
        if self.caller.agent_id is not None:
            raise AgentNotAuthorized
        values = _flat(self.read(NewAgent, request.data))
        org = Organization.objects.get(pk=self.caller.org_id)
        agent = services.create_agent(org=org, actor=self.caller.actor, **values)
        return Response(AgentSerializer(agent).data, status=201)

    @documented(answers=AgentSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one agent."""
        return Response(AgentSerializer(self.get_object()).data)

    @documented(query=StatsQuery, answers=AgentStatsSerializer, refuses={400: ["VALIDATION_ERROR"]})
    def stats(self, _request: Request, **_ids: UUID) -> Response:
        """Count an agent's calls, tokens, sessions and memories; say what those are good for."""
        agent = self.get_object()
        days = self.read_query(StatsQuery)["days"]
        counted = vars(agent_stats(agent, days)) | {"memory_health": memory_health(agent, days)}
        return Response(AgentStatsSerializer(counted).data)

    @documented(takes=AgentChanges, answers=AgentSerializer, refuses=RETIRED)
    def partial_update(self, request: Request, **_ids: UUID) -> Response:
        """Change an agent's name, description or configuration."""
        agent = self.get_object()
        changes = _flat(self.read(AgentChanges, request.data))
        if changes:
            agent = services.update_agent(agent=agent, actor=self.caller.actor, **changes)
        return Response(AgentSerializer(agent).data)

    @documented(takes=Reason, answers=AgentSerializer, refuses=RETIRED)
    def activate(self, request: Request, **_ids: UUID) -> Response:
        """Serve the agent's requests again."""
        return self._change_status(request, services.activate_agent)

    @documented(takes=Reason, answers=AgentSerializer, refuses=RETIRED)
    def pause(self, request: Request, **_ids: UUID) -> Response:
        """Refuse the agent's requests until it is activated again."""
        return self._change_status(request, services.pause_agent)

    @documented(takes=Reason, answers=AgentSerializer, refuses=RETIRED)
    def archive(self, request: Request, **_ids: UUID) -> Response:
        """Retire the agent for good."""
        return self._change_status(request, services.archive_agent)

    def _change_status(self, request: Request, change: Any) -> Response:
        agent = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        agent = change(agent=agent, actor=self.caller.actor, reason=reason)
        return Response(AgentSerializer(agent).data)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Lift the configuration to the top, where the services take it."""
    return {**values.pop("config", {}), **values}
