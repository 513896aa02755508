"""What the list of sessions is narrowed by, on the page, through the API and in bulk."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from agents.models import Agent
from ibex.filtering import AgentChoice, Condition
from ibex.keyset import NEWEST_FIRST, Order
from ibex.ordering import OrderedFilter, sort_filter
from sessions.models import Session, SessionError

ORDERS = {
    "": NEWEST_FIRST,
    "oldest": Order(("created_at", "id"), descending=False),
    "last_turn": Order(("last_turn_at", "id"), descending=True),
    "quietest": Order(("last_turn_at", "id"), descending=False),
}
"""Each walks an index, so that a list does not become slower as the table grows."""
ORDER_NAMES = {
    "": "Newest first",
    "oldest": "Oldest first",
    "last_turn": "Latest turn first",
    "quietest": "Longest quiet first",
}

MAX_CODES = 50
"""How many error codes are offered, the most frequent first."""


class ErrorCode(django_filters.CharFilter):  # type: ignore[misc] # django-filter is untyped
    """Sessions with a call that ended with a code; its twin, those without."""

    def filter(self, rows: QuerySet[Session], code: str) -> QuerySet[Session]:
        """Look among the session's errors, not among its calls."""
        if not code:
            return rows
        mine = SessionError.objects.filter(org=self.parent.org_id, error_code=code)
        having = Exists(mine.filter(session=OuterRef("pk")))
        return rows.exclude(having) if self.exclude else rows.filter(having)


class SessionFilter(OrderedFilter):
    """Sessions by agent, subject, status, name, times, directive version, errors and length."""

    facets: ClassVar[tuple[str, ...]] = ("status", "agent_id", "error")
    typed: ClassVar = (
        "q",
        "subject",
        "created_after",
        "created_before",
        "last_turn_after",
        "last_turn_before",
        "directive_version",
        "has_errors",
        "min_turns",
    )
    orders: ClassVar = ORDERS
    order_names: ClassVar = ORDER_NAMES
    verbs: ClassVar = {
        "created_after": "since",
        "created_before": "before",
        "last_turn_after": "since",
        "last_turn_before": "before",
        "min_turns": "at least",
    }

    q = django_filters.CharFilter(method="named", label="Name or subject", max_length=128)
    agent_id = AgentChoice(field_name="agent")
    subject = django_filters.CharFilter(lookup_expr="exact", label="Subject", max_length=128)
    external_id = django_filters.CharFilter(method="called", label="Name", max_length=64)
    status = django_filters.ChoiceFilter(
        choices=Session.Status.choices, label="Status", empty_label="Any"
    )
    created_after = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", label="Started"
    )
    created_before = django_filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", label="Started"
    )
    last_turn_after = django_filters.IsoDateTimeFilter(
        field_name="last_turn_at", lookup_expr="gte", label="Last turn"
    )
    last_turn_before = django_filters.IsoDateTimeFilter(
        field_name="last_turn_at", lookup_expr="lt", label="Last turn"
    )
    directive_version = django_filters.NumberFilter(
        label="Directive version", min_value=1, max_value=2**31 - 1
    )
    has_errors = django_filters.BooleanFilter(method="with_errors", label="Has errors")
    error = ErrorCode(label="Error", max_length=64)
    min_turns = django_filters.NumberFilter(
        field_name="turn_count", lookup_expr="gte", label="Turns", min_value=0, max_value=2**31 - 1
    )
    sort = sort_filter(ORDER_NAMES)

    @property
    def has_more(self) -> bool:
        """Whether anything is asked for that stands under "More filters"."""
        return any(name in self.typed and name != "q" for name, _value in self.pairs)

    def named(self, rows: QuerySet[Session], _name: str, words: str) -> QuerySet[Session]:
        """Keep the sessions of this name, or of this subject."""
        return rows.filter(self._called(words) | Q(subject=words))

    def called(self, rows: QuerySet[Session], _name: str, name: str) -> QuerySet[Session]:
        """Keep the sessions of this name."""
        return rows.filter(self._called(name))

    def _called(self, name: str) -> Q:
        """Name the agents too: the index of names begins with them."""
        agents = Agent.objects.filter(org=self.org_id).values("pk")
        return Q(agent__in=agents, external_id=name)

    def with_errors(self, rows: QuerySet[Session], _name: str, wanted: bool) -> QuerySet[Session]:
        """Keep the sessions with calls that failed, or those without."""
        return rows.filter(error_count__gt=0) if wanted else rows.filter(error_count=0)

    def _values(self, name: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Count each code once a session."""
        if name != "error":
            return super()._values(name, rows)
        failed = rows.filter(error_count__gt=0, errors__isnull=False)
        return failed.values_list("errors__error_code")

    def _choices(self, name: str, counts: Mapping[str, int]) -> dict[str, str]:
        """Offer the codes that occur, and the chosen one."""
        if name != "error":
            return super()._choices(name, counts)
        codes = sorted(counts, key=lambda code: (-counts[code], code))[:MAX_CODES]
        chosen = self.value("error")
        return {code: code for code in [*codes, *([chosen] if chosen else [])]}


class AgentSessionFilter(SessionFilter):
    """The sessions of one agent. Sealed it is the filter of all sessions, with the agent in it."""

    facets: ClassVar = ("status", "error")
    order_unless_asked: ClassVar = "last_turn"

    @classmethod
    def of(cls, agent: Agent, data: QueryDict, rows: QuerySet[Session]) -> Self:
        """Narrow to the agent, whatever else is asked for."""
        given = data.copy()
        given["agent_id"] = str(agent.pk)
        return cls(given, rows, org_id=agent.org_id)

    @property
    def conditions(self) -> list[Condition]:
        """What the list is narrowed by beside the agent."""
        return [one for one in super().conditions if one.name != "agent_id"]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything beside the agent was asked for."""
        return bool(self.conditions)

    def signed(self) -> str:
        """Seal it for the list of all sessions."""
        given = QueryDict(self.canonical)
        return SessionFilter(given, self.queryset, org_id=self.org_id).signed()
