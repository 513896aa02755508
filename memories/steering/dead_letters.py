"""What operators do about turns that could not be learned from: narrow the list, try again."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet

from ibex.filtering import AgentChoice, ListFilter
from ibex.selection import BulkAction, each
from memories.learning.dead_letters import retry_dead_letter
from memories.models import DeadLetter, DeadLetterQuerySet
from orgs.permissions import Permission

RETRY: BulkAction[DeadLetter] = BulkAction(
    name="retry",
    verb="Retry",
    noun="dead letter",
    nouns="dead letters",
    done="Due again:",
    needs=Permission.JOB_MANAGE,
    act=each(retry_dead_letter, "dead_letter"),
    consequence="Workers read their turns again at once; each attempt asks the extractor anew.",
    icon="refresh",
)


class DeadLetterFilter(ListFilter):
    """Dead letters by agent, session, reason, and whether they were learned from after all."""

    facets: ClassVar = ("reason", "agent")
    typed: ClassVar = ("status",)

    status = django_filters.ChoiceFilter(
        choices=[("open", "Open"), ("resolved", "Resolved")],
        label="Status",
        method="that_are",
        empty_label="Any",
    )
    reason = django_filters.ChoiceFilter(
        choices=DeadLetter.Reason.choices, label="Reason", empty_label="Any"
    )
    agent = AgentChoice()
    session = django_filters.UUIDFilter(field_name="session_id", label="Session")

    def that_are(self, rows: DeadLetterQuerySet, _name: str, status: str) -> QuerySet[DeadLetter]:
        """Keep what is open, or what is resolved."""
        return rows.open() if status == "open" else rows.resolved()
