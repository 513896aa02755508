"""What a list of jobs is narrowed by: the page and the API alike."""

from typing import ClassVar

import django_filters
from django.db.models import QuerySet

from ibex.filtering import ListFilter
from jobs.models import Job, JobQuerySet
from jobs.registry import kinds


def kind_choices() -> list[tuple[str, str]]:
    """Name every kind of work that this version knows."""
    return [(kind.name, kind.label) for kind in kinds()]


class JobFilter(ListFilter):
    """Jobs by state and kind, by who asked for them, and those that nothing is heard of."""

    facets: ClassVar = ("state", "kind")

    state = django_filters.ChoiceFilter(choices=Job.State.choices, label="State", empty_label="Any")
    kind = django_filters.ChoiceFilter(choices=kind_choices, label="Kind", empty_label="Any")
    owner = django_filters.UUIDFilter(field_name="owner_id", label="Asked for by")
    stalled = django_filters.ChoiceFilter(
        choices=[("yes", "Yes")], method="that_stalled", label="Stalled", empty_label="Any"
    )

    def that_stalled(self, rows: JobQuerySet, _name: str, _value: str) -> QuerySet[Job]:
        """Keep running jobs that nothing was heard of for a minute."""
        return rows.stalled()
