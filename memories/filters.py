"""What lists of memories are narrowed by: the page, the API, bulk actions, exports."""

from functools import cached_property
from typing import Any, ClassVar, Self
from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet
from django.forms.boundfield import BoundField
from django.http import QueryDict

from agents.models import Agent
from ibex.filtering import MAX_AGENTS, AgentChoice, Condition, Facet, ListFilter
from memories import junk
from memories.indexing.terms import count_terms
from memories.models import Category, Memory, MemoryQuerySet, MemoryTag, Posting

MODES = [("hybrid", "Both"), ("keyword", "Keyword"), ("semantic", "Meaning")]
SORTS = [
    ("newest", "Newest"),
    ("oldest", "Oldest"),
    ("confidence", "Most confident"),
    ("useful", "Most useful"),
    ("recalled", "Most recalled"),
]
MAX_WORDS = 200
MAX_FOUND = 50
"""How many memories a search by relevance shows."""
RECENT = 5_000
"""How many memories out of use are looked through for words: they have no text index."""
EVERYONE = "everyone"
"""The subject filter's word for memories about nobody in particular."""
YES_OR_NO = [("yes", "Yes"), ("no", "No")]


class Moment(django_filters.IsoDateTimeFilter):  # type: ignore[misc] # django-filter is untyped
    """A bound in time, asked for by the browser's own picker."""

    def __init__(self, field_name: str, lookup_expr: str, label: str, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
        super().__init__(
            **{
                "field_name": field_name,
                "lookup_expr": lookup_expr,
                "label": label,
                "widget": widget,
                **options,
            }
        )


class MemoryFilter(ListFilter):
    """Memories by words, agent, kind, state, person, tag, time and confidence.

    Words are looked for in the text index, which holds what is in use. Deleted memories are left
    out unless they are asked for.
    """

    facets: ClassVar = ("agent", "category", "status", "source")
    asked_below: ClassVar = (
        "subject",
        "tag",
        "visibility",
        "pinned",
        "pii",
        "junk",
        "created_after",
        "created_before",
        "observed_after",
        "observed_before",
        "confidence_min",
        "confidence_max",
    )
    """Filters of the panel "More filters" among the results."""
    typed: ClassVar = ("q", "mode", "sort", *asked_below)
    modes: ClassVar = ("mode", "sort")
    verbs: ClassVar = {
        "q": "contain",
        "junk": "because",
        "created_after": "since",
        "created_before": "before",
        "observed_after": "since",
        "observed_before": "before",
        "confidence_min": "at least",
        "confidence_max": "at most",
    }

    q = django_filters.CharFilter(label="Words", method="with_words", max_length=MAX_WORDS)
    mode = django_filters.ChoiceFilter(label="Search by", choices=MODES, method="as_it_is")
    sort = django_filters.ChoiceFilter(label="Sort", choices=SORTS, method="as_it_is")
    agent = AgentChoice()
    category = django_filters.ChoiceFilter(choices=Category.choices, label="Category")
    status = django_filters.ChoiceFilter(choices=Memory.Status.choices, label="Status")
    source = django_filters.ChoiceFilter(choices=Memory.Source.choices, label="Source")
    visibility = django_filters.ChoiceFilter(choices=Memory.Visibility.choices, label="Seen by")
    subject = django_filters.CharFilter(label="Subject", method="of_subject", max_length=128)
    tag = django_filters.CharFilter(label="Tag", method="with_tag", max_length=64)
    pinned = django_filters.ChoiceFilter(choices=YES_OR_NO, label="Pinned", method="that_are")
    pii = django_filters.ChoiceFilter(
        choices=YES_OR_NO, label="Personal data", method="with_personal_data"
    )
    junk = django_filters.ChoiceFilter(
        choices=junk.KINDS, label="Of little use", method="of_little_use"
    )
    created_after = Moment("created_at", "gte", "Learned")
    created_before = Moment("created_at", "lt", "Learned")
    observed_after = Moment("observed_at", "gte", "Observed")
    observed_before = Moment("observed_at", "lt", "Observed")
    confidence_min = django_filters.NumberFilter(
        field_name="confidence", lookup_expr="gte", label="Confidence", min_value=0, max_value=1
    )
    confidence_max = django_filters.NumberFilter(
        field_name="confidence", lookup_expr="lte", label="Confidence", min_value=0, max_value=1
    )

    found: int | None = None
    """How many memories a search by relevance found."""
    fixed: frozenset[str] = frozenset()
    """Conditions that the page itself sets, and that cannot be taken away on it."""

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out what is deleted, unless a status was asked for."""
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        return rows if self._said("status") else rows.exclude(status=Memory.Status.DELETED)

    def as_it_is(self, rows: MemoryQuerySet, _name: str, _value: str) -> MemoryQuerySet:
        """Narrow nothing."""
        return rows

    def with_words(self, rows: MemoryQuerySet, _name: str, words: str) -> MemoryQuerySet:
        """Keep what holds every one of the words, by their stems, in the text index.

        What is out of use is not in it: of one such status, the newest are read through.
        """
        status = self._said("status")
        if status and status != Memory.Status.ACTIVE:
            stored = Memory.objects.filter(org=self.org_id, status=status)
            recent = stored.order_by("-created_at", "-pk").values("pk")[:RECENT]
            return rows.filter(pk__in=recent, content__icontains=words)
        terms = count_terms(words)
        for term in terms:
            rows = rows.filter(pk__in=self._holding(term))
        return rows if terms else rows.none()

    def of_subject(self, rows: MemoryQuerySet, _name: str, subject: str) -> MemoryQuerySet:
        """Keep what is about one person, or about nobody in particular."""
        return rows.filter(subject=None if subject == EVERYONE else subject)

    def with_tag(self, rows: MemoryQuerySet, _name: str, tag: str) -> MemoryQuerySet:
        """Keep what has a tag."""
        tagged = MemoryTag.objects.filter(org=self.org_id, tag=tag)
        return rows.filter(pk__in=tagged.values("memory"))

    def that_are(self, rows: MemoryQuerySet, name: str, answer: str) -> MemoryQuerySet:
        """Keep what a yes-or-no question is answered so for."""
        return rows.filter(**{name: answer == "yes"})

    def with_personal_data(self, rows: MemoryQuerySet, _name: str, answer: str) -> MemoryQuerySet:
        """Keep what personal data was replaced in, or what none was found in."""
        return rows.exclude(pii=[]) if answer == "yes" else rows.filter(pii=[])

    def of_little_use(self, rows: MemoryQuerySet, _name: str, kind: str) -> MemoryQuerySet:
        """Keep what a rule says of the newest that are over a week old: as many as are counted."""
        chosen = self.form.cleaned_data.get("agent")
        sample = junk.looked_at(self.org_id, chosen.pk if chosen else self.agent_id)
        return rows.filter(pk__in=sample.filter(junk.RULES[kind]).values("pk"))

    @property
    def words(self) -> str:
        """The filter as a sentence; what is left out without being asked for is said too."""
        return super().words if self._said("status") else f"{super().words}, none deleted"

    @property
    def sought(self) -> str:
        """What is searched for."""
        return str(self.value("q") or "")

    @property
    def search_mode(self) -> str:
        """How it is searched: hybrid unless chosen otherwise."""
        return str(self.value("mode") or "hybrid")

    @property
    def order(self) -> str:
        """In which order the memories come where relevance does not order them."""
        return str(self.value("sort") or "newest")

    @property
    def is_sorted_in_vain(self) -> bool:
        """Whether an order was asked for of a search by meaning, which has its own."""
        return bool(self.overseen and self.value("sort"))

    @property
    def has_too_many_agents(self) -> bool:
        """Whether relevance could order the list if it were of one agent."""
        return self._is_ranked and not self.overseen

    @property
    def reads_recent(self) -> bool:
        """Whether words are looked for in the newest rows of a status that has no text index."""
        return self.value("status") not in {"", None, Memory.Status.ACTIVE}

    @property
    def more_fields(self) -> list[tuple[str, BoundField]]:
        """The fields of "More filters", with their labels."""
        return [
            (f"{self._label(name)} {self.verbs.get(name, '')}".strip(), self._searching(name))
            for name in self.asked_below
        ]

    def _searching(self, name: str) -> BoundField:
        """Return a field as a part of the search form, wherever on the page it stands."""
        self.form.fields[name].widget.attrs["form"] = "search"
        field: BoundField = self.form[name]
        return field

    @property
    def more(self) -> bool:
        """Whether one of those narrows the list."""
        return any(name in self.asked_below for name, _value in self.pairs)

    @property
    def sought_person(self) -> str | None:
        """The end user among whose memories is searched; None for anybody's."""
        subject = self.value("subject") or ""
        return None if subject in {"", EVERYONE} else str(subject)

    @cached_property
    def overseen(self) -> tuple[UUID, ...]:
        """The agents whose memories relevance orders; none where it does not.

        Only what is in use is ever retrieved. By words the list may be sorted otherwise.
        """
        if not self._is_ranked:
            return ()
        if chosen := self.value("agent"):
            return (chosen.pk,)
        agents = Agent.objects.filter(org=self.org_id).values_list("pk", flat=True)
        found = tuple(agents[: MAX_AGENTS + 1])
        return found if len(found) <= MAX_AGENTS else ()

    @property
    def _is_ranked(self) -> bool:
        is_sorted = bool(self.value("sort")) and self.search_mode != "semantic"
        return bool(self.sought) and not self.reads_recent and not is_sorted

    @cached_property
    def count(self) -> str:
        """How many rows match; what relevance orders is counted once it is ranked."""
        if self.overseen and self.found is not None:
            return f"{MAX_FOUND}+" if self.found > MAX_FOUND else str(self.found)
        return super().count

    @property
    def rows_to_rank(self) -> QuerySet[Any]:
        """The rows that everything but the words leaves."""
        return self._without_words.rows

    @cached_property
    def _without_words(self) -> Self:
        """Relevance narrows nothing: what is ranked and counted is what the others leave."""
        if not self.overseen:
            return self
        others = QueryDict(self.replacing("q", None))
        return type(self)(others, self.queryset, org_id=self.org_id)

    @property
    def conditions(self) -> list[Condition]:
        """What the list is narrowed by, besides what the page itself sets."""
        return [one for one in super().conditions if one.name not in self.fixed]

    @property
    def facet_list(self) -> list[Facet]:
        """The facets with their counts, besides what the page itself sets."""
        return [one for one in self._counted if one.name not in self.fixed]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything was asked for besides what the page itself sets."""
        named = {name for name, _value in self.pairs}
        return bool(named - self.fixed - set(self.modes))

    @property
    def _counted(self) -> list[Facet]:
        counts = self._without_words._facet_counts()  # noqa: SLF001 - of the same kind
        return [self._facet(name, counts.get(name, {})) for name in self.facets]

    def _said(self, name: str) -> str:
        return str(self.form.cleaned_data.get(name) or "")

    def _holding(self, term: str) -> QuerySet[Any]:
        agents = Agent.objects.filter(org=self.org_id)
        if chosen := self.form.cleaned_data.get("agent"):
            agents = agents.filter(pk=chosen.pk)
        found = Posting.objects.filter(org=self.org_id, agent__in=agents.values("pk"), term=term)
        return found.filter(kind=Posting.Kind.MEMORY).values("item_id")
