"""What the list of agents is narrowed by, on the page, through the API and in bulk."""

from typing import ClassVar

import django_filters

from agents.models import Agent
from ibex.filtering import ListFilter


class AgentFilter(ListFilter):
    """Agents by name, status and memory scope."""

    facets: ClassVar = ("status", "memory_scope")
    typed: ClassVar = ("name",)

    name = django_filters.CharFilter(lookup_expr="icontains", label="Name", max_length=255)
    status = django_filters.ChoiceFilter(
        choices=Agent.Status.choices, label="Status", empty_label="Any"
    )
    memory_scope = django_filters.ChoiceFilter(
        choices=Agent.MemoryScope.choices, label="Memory scope", empty_label="Any"
    )
