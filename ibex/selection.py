"""What a bulk action acts on, agreed between the page and the server before anything happens.

A page sends `scope=ids` with the ids, or `scope=query` with the filter that the list signed. The
server finds the rows again, inside the caller's tenant, and counts them. When the operator
confirms, the count comes back as `expected`; when it no longer holds, nothing is done and the new
count is said. No ids never means all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import QueryDict

from ibex.errors import DomainError
from ibex.filtering import ListFilter
from ibex.forms import ReasonForm
from orgs.audit import Actor
from orgs.permissions import Permission

M = TypeVar("M", bound=Model)

IDS, QUERY = "ids", "query"
MAX_IDS = 500
IN_REQUEST = 500
"""How many rows are changed while the browser waits; more become a job."""
CHUNK = 100
SHOWN = 10
MAX_REFUSALS = 20


class InvalidSelection(DomainError):
    """The selection cannot be understood."""

    code = "VALIDATION_ERROR"
    param = "ids"


class NothingSelected(InvalidSelection):
    """No ids were sent. That never means all rows."""

    def __init__(self) -> None:
        super().__init__("Nothing is selected.")


class SelectionChanged(DomainError):
    """The rows are not as many as the operator confirmed."""

    code = "SELECTION_CHANGED"
    status = HTTPStatus.CONFLICT

    def __init__(self, expected: int, count: int) -> None:
        self.count = count
        super().__init__(
            f"Nothing was changed: {expected:,} were confirmed, and now {count:,} match."
        )


@dataclass
class Outcome:
    """What a bulk action did: rows changed, and why the others were not."""

    done: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> None:
        """Note one row that was left as it is, and why."""
        self.refused += 1
        if reason not in self.reasons and len(self.reasons) < MAX_REFUSALS:
            self.reasons.append(reason)

    def add(self, other: "Outcome") -> None:
        """Join what another chunk did."""
        self.done += other.done
        self.refused += other.refused
        new = [reason for reason in other.reasons if reason not in self.reasons]
        self.reasons = [*self.reasons, *new][:MAX_REFUSALS]


@dataclass(frozen=True)
class BulkAction(Generic[M]):
    """One thing that can be done to many rows of a list.

    `act` changes one chunk of rows and says what it did. It is called inside the tenant and must
    do no harm when a row is as it should be already: a job may repeat its last chunk. What its
    `form` asks besides the reason comes to it by name.
    """

    name: str
    verb: str
    noun: str
    nouns: str
    done: str
    needs: Permission
    act: Callable[..., Outcome]
    consequence: str = ""
    icon: str = "check"
    is_danger: bool = False
    form: type[ReasonForm] = ReasonForm
    shown: Callable[[M], str] = str
    """How a row is named on the confirm page."""

    def label(self, count: int) -> str:
        """Say what the button does: `Archive 214 memories`."""
        return f"{self.verb} {self.of(count)}"

    def of(self, count: int) -> str:
        """Count in words: `1 memory`, `214 memories`."""
        return f"{count:,} {self.noun if count == 1 else self.nouns}"


@dataclass(frozen=True)
class Selection(Generic[M]):
    """The rows to act on, how many they are, and how they were chosen."""

    scope: str
    rows: QuerySet[M]
    count: int
    words: str
    ids: Sequence[UUID] = ()
    query: str = ""
    canonical: str = ""

    @property
    def needs_job(self) -> bool:
        """Whether there are too many to change while the browser waits."""
        return self.count > IN_REQUEST

    @property
    def more(self) -> int:
        """How many rows the confirm page does not show."""
        return max(0, self.count - SHOWN)

    def first(self) -> list[M]:
        """Return the rows that a confirm page shows."""
        return list(self.rows.order_by("-created_at", "-pk")[:SHOWN])

    def chunks(self) -> Iterator[QuerySet[M]]:
        """Cut the rows into chunks of a stable set: acting may change what the filter finds."""
        ids = list(self.rows.order_by("pk").values_list("pk", flat=True))
        model = self.rows.model._default_manager  # noqa: SLF001 - documented
        for start in range(0, len(ids), CHUNK):
            yield model.filter(pk__in=ids[start : start + CHUNK])


def read_selection(
    sent: QueryDict, kind: type[ListFilter], rows: QuerySet[M], *, org_id: UUID
) -> Selection[M]:
    """Find what was selected among `rows`.

    Raises `NothingSelected`, `InvalidSelection`, `StaleFilter`, and `SelectionChanged` when
    `expected` was sent and no longer holds, or an id is not there any more.
    """
    scope = sent.get("scope", IDS)
    if scope == QUERY:
        selection = _by_query(sent.get("query", ""), kind, rows, org_id)
    elif scope == IDS:
        selection = _by_ids(sent.getlist("ids"), rows)
    else:
        raise InvalidSelection("The scope is either ids or query.")
    expected = sent.get("expected", "")
    if expected and not expected.isdecimal():
        raise InvalidSelection("The expected count is a whole number.")
    if expected and int(expected) != selection.count:
        raise SelectionChanged(int(expected), selection.count)
    return selection


def act_on(
    selection: Selection[M], action: BulkAction[M], actor: Actor, reason: str, **options: Any
) -> Outcome:
    """Do it, chunk by chunk, in the current tenant and transaction."""
    outcome = Outcome()
    for chunk in selection.chunks():
        outcome.add(action.act(chunk, actor, reason, **options))
    return outcome


def each(change: Callable[..., Any], argument: str) -> Callable[..., Outcome]:
    """Make a bulk action of a service that changes one row and may refuse with a `DomainError`."""

    def act(rows: QuerySet[Any], actor: Actor, reason: str, **options: Any) -> Outcome:
        outcome = Outcome()
        for row in rows:
            try:
                change(**{argument: row}, actor=actor, reason=reason, **options)
                outcome.done += 1
            except DomainError as error:
                outcome.refuse(error.message)
        return outcome

    return act


def _by_query(signed: str, kind: type[ListFilter], rows: QuerySet[M], org_id: UUID) -> Selection[M]:
    filters = kind.unsigned(signed, rows, org_id=org_id)
    found = filters.rows_or_refuse()
    return Selection(
        QUERY, found, found.count(), filters.words, query=signed, canonical=filters.canonical
    )


def _by_ids(given: list[str], rows: QuerySet[M]) -> Selection[M]:
    try:
        ids = sorted({UUID(text) for text in given})
    except ValueError:
        raise InvalidSelection("An id is not one that this list showed.") from None
    if not ids:
        raise NothingSelected
    if len(ids) > MAX_IDS:
        raise InvalidSelection(f"At most {MAX_IDS} rows can be selected by hand.")
    found = rows.filter(pk__in=ids)
    return Selection(IDS, found, found.count(), "selected by hand", ids=ids)
