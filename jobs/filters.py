"""What a list of jobs is narrowed by: the page and the API alike."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet

from jobs.models import Job, JobQuerySet
from jobs.registry import kinds
from orgs.audit import Actor


def kind_choices() -> list[tuple[str, str]]:
    """Name every kind of work that this version knows."""
    return [(kind.name, kind.label) for kind in kinds()]


class JobFilter(django_filters.FilterSet):  # type: ignore[misc]  # it is untyped
    """State, kind, and whose they are; `caller` is who asks."""

    state = django_filters.ChoiceFilter(choices=Job.State.choices, empty_label="Any")
    kind = django_filters.ChoiceFilter(choices=kind_choices, empty_label="Any")
    owner = django_filters.ChoiceFilter(
        choices=[("me", "Me")], empty_label="Anybody", method="of_owner", label="Asked for by"
    )
    stalled = django_filters.ChoiceFilter(
        choices=[("yes", "Stalled")], empty_label="Any", method="that_stalled", label="Heartbeat"
    )

    class Meta:
        model = Job
        fields: ClassVar[list[str]] = []

    def __init__(self, data: Any, queryset: JobQuerySet, *, caller: Actor) -> None:
        super().__init__(data, queryset=queryset)
        self.caller = caller

    def of_owner(self, rows: JobQuerySet, _name: str, _value: str) -> QuerySet[Job]:
        """Keep what the caller asked for."""
        return rows.filter(owner_type=self.caller.type, owner_id=self.caller.id)

    def that_stalled(self, rows: JobQuerySet, _name: str, _value: str) -> QuerySet[Job]:
        """Keep running jobs that nothing was heard of for a minute."""
        return rows.stalled()

    @property
    def is_narrowed(self) -> bool:
        """Whether anything was asked for."""
        return any(self.data.get(name) for name in self.filters)
