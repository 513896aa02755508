"""What the lists of tokens, members and audit events are narrowed by, on pages and in the API."""

from typing import ClassVar

import django_filters
from django import forms
from django.db.models import QuerySet

from ibex.distinct import held_values
from ibex.filtering import AgentChoice, ListFilter
from orgs.models import AuditEvent, Membership, Token, TokenQuerySet

_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class TokenFilter(ListFilter):
    """Tokens by name, state and agent."""

    typed: ClassVar = ("name", "state", "agent")

    name = django_filters.CharFilter(lookup_expr="icontains", label="Name", max_length=255)
    state = django_filters.ChoiceFilter(
        choices=Token.State.choices, method="in_state", label="State", empty_label="Any"
    )
    agent = AgentChoice(field_name="agent")

    def in_state(self, rows: TokenQuerySet, _name: str, value: str) -> QuerySet[Token]:
        """Keep the tokens of one state."""
        return rows.in_state(value)


class AuditFilter(ListFilter):
    """Audit events by who, what, to what, in which request and when."""

    typed: ClassVar = ("actor", "action", "since", "until")
    facets: ClassVar = ("actor_type",)
    verbs: ClassVar = {
        "actor": "contains",
        "action": "begins with",
        "since": "from",
        "until": "before",
    }

    actor = django_filters.CharFilter(method="by_whom", label="Who", max_length=255)
    actor_type = django_filters.ChoiceFilter(
        choices=AuditEvent.Actor.choices, label="By a", empty_label="Any"
    )
    actor_id = django_filters.UUIDFilter(label="Actor")
    action = django_filters.CharFilter(method="of_kind", label="Action", max_length=64)
    target_type = django_filters.CharFilter(lookup_expr="iexact", label="Kind", max_length=64)
    target_id = django_filters.UUIDFilter(label="Target")
    request_id = django_filters.CharFilter(label="Request", max_length=64)
    since = django_filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="gte", label="From", widget=_MOMENT
    )
    until = django_filters.IsoDateTimeFilter(
        field_name="at", lookup_expr="lt", label="Before", widget=_MOMENT
    )

    def by_whom(self, rows: QuerySet[AuditEvent], _name: str, words: str) -> QuerySet[AuditEvent]:
        """Keep what those did whose address or prefix holds the words, without case."""
        known = held_values("orgs_auditevent", "actor_label", self.org_id)
        if known is None:
            return rows.filter(actor_label__icontains=words)
        return rows.filter(actor_label__in=[one for one in known if words.lower() in one.lower()])

    def of_kind(self, rows: QuerySet[AuditEvent], _name: str, start: str) -> QuerySet[AuditEvent]:
        """Keep the actions that begin so, without case."""
        known = held_values("orgs_auditevent", "action", self.org_id)
        if known is None:
            return rows.filter(action__istartswith=start)
        return rows.filter(
            action__in=[one for one in known if one.lower().startswith(start.lower())]
        )


class MemberFilter(ListFilter):
    """Members by address, role, and whether they may enter."""

    facets: ClassVar = ("role",)
    typed: ClassVar = ("q",)

    q = django_filters.CharFilter(
        field_name="operator__email", lookup_expr="icontains", label="Address", max_length=255
    )
    role = django_filters.ChoiceFilter(
        choices=Membership.Role.choices, label="Role", empty_label="Any"
    )
    suspended = django_filters.BooleanFilter(
        field_name="suspended_at", lookup_expr="isnull", exclude=True, label="Suspended"
    )
