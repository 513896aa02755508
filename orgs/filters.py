"""What the lists of tokens, members and audit events are narrowed by, on pages and in the API."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet

from ibex.filtering import AgentChoice, ListFilter
from orgs.models import Token, TokenQuerySet


class TokenFilter(ListFilter):
    """Tokens by name, state and agent."""

    typed: ClassVar = ("name",)

    name = django_filters.CharFilter(lookup_expr="icontains", label="Name", max_length=255)
    state = django_filters.ChoiceFilter(
        choices=Token.State.choices, method="in_state", label="State", empty_label="Any"
    )
    agent = AgentChoice(field_name="agent")

    def in_state(self, rows: TokenQuerySet, _name: str, value: str) -> QuerySet[Token]:
        """Keep the tokens of one state."""
        return rows.in_state(value)
