"""What a list is narrowed by: one `ListFilter` serves the page, the API and the bulk action.

Everything stands in the URL. The canonical form of a filter is its query string with names and
values sorted and empty ones dropped; signed, it is what a bulk action is told to act on. A
parameter that the list does not know, or a value it cannot read, is named and narrows to nothing:
a list never shows more than was asked for.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar, Self
from urllib.parse import urlencode
from uuid import UUID

import django_filters
from django import forms
from django.core import signing
from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import QueryDict

from agents.models import Agent
from ibex.counts import CAP, capped
from ibex.errors import DomainError

SALT = "ibex.filtering"
SIGNED_FOR_S = 24 * 60 * 60
SAMPLE = 2_000
"""How many rows a facet looks at; a list must not become slower as its table grows."""
MAX_AGENTS = 200
PAGE_PLACE = frozenset({"cursor", "peek", "view"})
API_PLACE = frozenset({"cursor", "limit"})
"""Parameters of a list that say where one looks, not at what."""
NOT = "not_"
VERBS = {
    "exact": "is",
    "iexact": "is",
    "icontains": "contains",
    "contains": "contains",
    "startswith": "begins with",
    "istartswith": "begins with",
    "gte": "is at least",
    "gt": "is over",
    "lte": "is at most",
    "lt": "is under",
    "in": "is one of",
    "isnull": "is missing",
}


class StaleFilter(DomainError):
    """A signed filter is what a list of this organization signed within the last day."""

    code = "VALIDATION_ERROR"
    param = "query"

    def __init__(self) -> None:
        super().__init__("The filter is not one that this list signed lately; open the list again.")


@dataclass(frozen=True)
class Condition:
    """One thing that a list is narrowed by, in words, and the query string without it."""

    name: str
    label: str
    verb: str
    value: str
    without: str

    @property
    def words(self) -> str:
        """Say it as part of a sentence."""
        return f"{self.label} {self.verb} {self.value}"


@dataclass(frozen=True)
class Option:
    """One value of a facet, how many rows have it, and the query string that chooses it."""

    value: str
    label: str
    count: str
    query: str
    is_chosen: bool


@dataclass(frozen=True)
class Facet:
    """One question with few answers; `query` asks for any of them."""

    name: str
    label: str
    options: list[Option]
    query: str

    @property
    def chosen(self) -> Option | None:
        """The answer that was asked for."""
        return next((option for option in self.options if option.is_chosen), None)


class FilterForm(forms.Form):
    """The fields of a filter; templates write the labels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class AgentChoice(django_filters.ModelChoiceFilter):  # type: ignore[misc] # django-filter is untyped
    """One agent of the organization, by its id."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"label": "Agent", "empty_label": "Any", "queryset": Agent.objects, **options}
        )

    def get_queryset(self, _request: Any) -> QuerySet[Agent]:
        """Offer the organization's agents by name; to a token of one agent there is no other."""
        agents = Agent.objects.filter(org=self.parent.org_id)
        if self.parent.agent_id is not None:
            agents = agents.filter(pk=self.parent.agent_id)
        return agents.order_by("name", "pk")


class ListFilter(django_filters.FilterSet):  # type: ignore[misc] # django-filter is untyped
    """The declared filters of one list. Build and use it inside the tenant.

    Each name in `facets` is a filter with few values: it gets counts, and a twin `not_<name>`
    that leaves a value out.
    """

    facets: ClassVar[tuple[str, ...]] = ()
    typed: ClassVar[tuple[str, ...]] = ()
    """Filters with a field of their own in the list's search form."""
    modes: ClassVar[tuple[str, ...]] = ()
    """Filters that say how to look and narrow nothing by themselves."""
    verbs: ClassVar[Mapping[str, str]] = {}
    """How a condition is said where the lookup's own verb does not fit: `since` for a time."""

    class Meta:
        form = FilterForm

    def __init__(
        self,
        data: Mapping[str, Any],
        rows: QuerySet[Any],
        *,
        org_id: UUID,
        agent_id: UUID | None = None,
        is_strict: bool = False,
    ) -> None:
        self.org_id = org_id
        self.agent_id = agent_id
        self.given = _given(data, API_PLACE if is_strict else PAGE_PLACE)
        self.is_strict = is_strict
        super().__init__(_query_dict(_without_empty(self.given)), rows)

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        """Give each facet its twin that leaves a value out."""
        filters = super().get_filters()
        for name in cls.facets:
            twin = type(filters[name])(
                field_name=filters[name].field_name,
                lookup_expr=filters[name].lookup_expr,
                label=filters[name].label,
                exclude=True,
                **filters[name].extra,
            )
            filters.setdefault(NOT + name, twin)
        return dict(filters)

    @cached_property
    def problems(self) -> dict[str, list[str]]:
        """What cannot be read, by parameter, in sentences; nothing is left out silently."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, values in self.given.items():
            if name not in self.filters:
                found[name].append("This list has no such filter.")
            elif self.is_strict and not all(values):
                found[name].append("This may not be empty.")
            elif len(values) > 1 and not _takes_many(self.form.fields[name]):
                found[name].append("This was given more than once.")
        for name, errors in self.form.errors.items():
            found[name] += [str(error) for error in errors]
        return dict(found)

    @property
    def complaints(self) -> list[str]:
        """The problems as sentences for a page."""
        return [
            f"{self._label(name)}: {sentence}"
            for name, sentences in self.problems.items()
            for sentence in sentences
        ]

    @cached_property
    def rows(self) -> QuerySet[Any]:
        """The rows that were asked for; none while something about the question is wrong."""
        rows: QuerySet[Any] = self.queryset.none() if self.problems else self.qs
        return rows

    def rows_or_refuse(self) -> QuerySet[Any]:
        """Return the rows. Raises Django's `ValidationError` for the API's envelope."""
        if self.problems:
            raise ValidationError(self.problems)
        rows: QuerySet[Any] = self.rows
        return rows

    def value(self, name: str) -> Any:
        """Return what was asked for under a name; None while the question is wrong."""
        return None if self.problems else self.form.cleaned_data.get(name)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The canonical form, as pairs."""
        return sorted(
            (name, value)
            for name, values in _without_empty(self.given).items()
            for value in values
            if name in self.filters
        )

    @property
    def canonical(self) -> str:
        """The canonical form: sorted, nothing empty."""
        return urlencode(self.pairs)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything was asked for."""
        return any(name not in self.modes for name, _value in self.pairs)

    def signed(self) -> str:
        """Seal the canonical form for this list and organization; it holds for a day."""
        return signing.dumps([type(self).__name__, str(self.org_id), self.canonical], salt=SALT)

    @classmethod
    def unsigned(cls, text: str, rows: QuerySet[Any], *, org_id: UUID) -> Self:
        """Build the filter that `signed` sealed. Raises `StaleFilter`."""
        try:
            name, org, canonical = signing.loads(text, salt=SALT, max_age=SIGNED_FOR_S)
        except (signing.BadSignature, ValueError, TypeError):
            raise StaleFilter from None
        if (name, org) != (cls.__name__, str(org_id)):
            raise StaleFilter
        return cls(QueryDict(canonical), rows, org_id=org_id)

    def replacing(self, name: str, value: str | None) -> str:
        """Write the query string with another value, or without; a twin never stays beside it."""
        positive = name.removeprefix(NOT)
        kept = [pair for pair in self.pairs if pair[0] not in {positive, NOT + positive}]
        return urlencode(sorted([*kept, (name, value)] if value else kept))

    @property
    def conditions(self) -> list[Condition]:
        """What the list is narrowed by."""
        if self.problems:
            return []
        pairs = self.pairs
        return [
            Condition(
                name,
                self._label(name),
                self._verb(name),
                self._shown(name, value),
                urlencode([pair for pair in pairs if pair != (name, value)]),
            )
            for name, value in pairs
            if name not in self.modes
        ]

    @property
    def words(self) -> str:
        """The filter as a sentence for confirm pages, exports and audit."""
        return ", ".join(one.words for one in self.conditions) or "no filter: all of them"

    @cached_property
    def count(self) -> str:
        """How many rows match, counted no further than the cap."""
        return capped(self.rows.order_by().values("pk")[: CAP + 1].count())

    @cached_property
    def facet_list(self) -> list[Facet]:
        """The facets with their counts; one query for all of them."""
        counts = self._facet_counts()
        return [self._facet(name, counts.get(name, {})) for name in self.facets]

    def _facet(self, name: str, counts: dict[str, int]) -> Facet:
        is_partial = sum(counts.values()) > SAMPLE
        given = self.given.get(name, [])
        options = [
            Option(
                value,
                label,
                _counted(counts.get(value, 0), is_partial=is_partial),
                self.replacing(name, value),
                value in given,
            )
            for value, label in self._choices(name, counts).items()
        ]
        return Facet(name, self._label(name), options, self.replacing(name, None))

    def _facet_counts(self) -> dict[str, dict[str, int]]:
        """Count each facet's values among the rows that the other filters leave."""
        if not self.facets or self.problems:
            return {}
        parts, parameters = [], []
        for name in self.facets:
            others = QueryDict(self.replacing(name, None))
            rows = type(self)(others, self.queryset, org_id=self.org_id).rows
            query = self._values(name, rows.order_by())[: SAMPLE + 1].query
            try:
                sql, values = query.sql_with_params()
            except EmptyResultSet:  # Django knows without asking that nothing matches
                continue
            parts.append(f"SELECT %s, v::text, count(*) FROM ({sql}) AS sampled(v) GROUP BY v")  # noqa: S608 - built by Django
            parameters += [name, *values]
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        if not parts:
            return counts
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), parameters)
            for name, value, count in cursor.fetchall():
                counts[name][str(value)] = count
        return counts

    def _values(self, name: str, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return what a facet counts: its value in each of the rows."""
        return rows.values_list(self.filters[name].field_name)

    def _choices(self, name: str, _counts: Mapping[str, int]) -> dict[str, str]:
        """Offer the first values, and the chosen one wherever it stands among the agents."""
        first = islice(self.form.fields[name].choices, MAX_AGENTS + 1)
        choices = {str(value): str(label) for value, label in first if str(value)}
        chosen = self.value(name)
        if isinstance(chosen, Model):
            choices.setdefault(str(chosen.pk), str(chosen))
        return choices

    def _label(self, name: str) -> str:
        if name not in self.filters:
            return name[:40]
        return str(
            self.filters[name].label or name.removeprefix(NOT).replace("_", " ").capitalize()
        )

    def _verb(self, name: str) -> str:
        if self.filters[name].exclude:
            return "is not"
        return self.verbs.get(name) or VERBS.get(self.filters[name].lookup_expr, "is")

    def _shown(self, name: str, value: str) -> str:
        field = self.form.fields[name]
        if hasattr(field, "queryset"):
            cleaned = self.form.cleaned_data.get(name)
            return str(cleaned) if isinstance(cleaned, Model) else value
        labels = {str(key): str(label) for key, label in getattr(field, "choices", [])}
        return labels.get(value, value).lower() if value in labels else f"“{value}”"


def read_signed(text: str, *, org_id: UUID) -> str:
    """Return the canonical form that a list of this organization signed. Raises `BadSignature`."""
    _name, org, canonical = signing.loads(text, salt=SALT, max_age=SIGNED_FOR_S)
    if org != str(org_id):
        raise signing.BadSignature
    return str(canonical)


def _given(data: Mapping[str, Any], place: frozenset[str]) -> dict[str, list[str]]:
    """Read the parameters that are about the rows, not about the place in the list."""
    lists = data.lists() if isinstance(data, QueryDict) else ((k, [v]) for k, v in data.items())
    return {
        name: [str(value).strip() for value in values]
        for name, values in lists
        if name not in place
    }


def _without_empty(given: dict[str, list[str]]) -> dict[str, list[str]]:
    kept = {name: [value for value in values if value] for name, values in given.items()}
    return {name: values for name, values in kept.items() if values}


def _query_dict(given: dict[str, list[str]]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, values in given.items():
        data.setlist(name, values)
    return data


def _takes_many(field: Any) -> bool:
    return isinstance(field, forms.MultipleChoiceField | forms.ModelMultipleChoiceField)


def _counted(count: int, *, is_partial: bool) -> str:
    """Write a facet's count; of a sample it is a lower bound, and nothing found says nothing."""
    if not is_partial or count > CAP:
        return capped(count)
    return f"{count:,}+" if count else ""
