"""What a bulk action acts on, agreed between the page and the server before anything happens.

A page sends `scope=ids` with the ids, or `scope=query` with the filter that the list signed. The
server finds the rows again, inside the caller's tenant, and counts them. When the operator
confirms, the count comes back as `expected`, with a `fingerprint` of the very rows; when either no
longer holds, nothing is done and the new count is said. No ids never means all rows.

The rows are counted and read by one statement, and what was read is acted on: nothing slips in
between. More than `IN_REQUEST` rows are frozen as chunks of a job by `jobs.bulk`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from http import HTTPStatus
from operator import xor
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from django.contrib.postgres.aggregates import BitXor
from django.db.models import BigIntegerField, Count, F, Func, Model, QuerySet, Value
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
MAX_DIGITS = 12
CHUNK = 100
SHOWN = 10
MAX_REFUSALS = 10
"""How many kinds of refusal are told apart; the count of all of them is exact."""
MAX_EXAMPLES = 5
HASH = Func(F("pk"), Value(0), function="uuid_hash_extended", output_field=BigIntegerField())


class InvalidSelection(DomainError):
    """The selection cannot be understood."""

    code = "VALIDATION_ERROR"
    param = "ids"


class NothingSelected(InvalidSelection):
    """No ids were sent. That never means all rows."""

    def __init__(self) -> None:
        super().__init__("Nothing is selected.")


class SelectionChanged(DomainError):
    """The rows are not those that the operator confirmed."""

    code = "SELECTION_CHANGED"
    status = HTTPStatus.CONFLICT

    def __init__(self, expected: int, count: int) -> None:
        self.count = count
        now = f"{expected:,} were confirmed, and now {count:,} match."
        if expected == count:
            now = f"the {count:,} that match now are not those that were confirmed."
        super().__init__(f"Nothing was changed: {now}")


class Gone(DomainError):
    """A chosen row was erased before its turn came."""

    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("It is not there any more.")


@dataclass
class Refusal:
    """One reason why rows were left as they are, how many, and the ids of a few of them."""

    code: str
    message: str
    count: int = 0
    ids: list[str] = field(default_factory=list)


@dataclass
class Outcome:
    """What a bulk action did: rows changed, and why the others were not."""

    done: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @classmethod
    def of_refusals(cls, known: Sequence[dict[str, Any]]) -> Self:
        """Go on from what `refusals_as_json` wrote."""
        return cls(refusals=[Refusal(**one) for one in known])

    @property
    def refusals_as_json(self) -> list[dict[str, Any]]:
        """The reasons as a job keeps them between its chunks, and as its result shows them."""
        return [asdict(one) for one in self.refusals]

    def refuse(self, error: DomainError, *ids: UUID) -> None:
        """Note rows that were left as they are, and why."""
        self.refused += len(ids)
        self._note(error.code, error.message, len(ids), [str(pk) for pk in ids])

    def add(self, other: "Outcome") -> None:
        """Join what another chunk did."""
        self.done += other.done
        self.refused += other.refused
        for one in other.refusals:
            self._note(one.code, one.message, one.count, one.ids)

    def _note(self, code: str, message: str, count: int, ids: list[str]) -> None:
        same = (one for one in self.refusals if (one.code, one.message) == (code, message))
        known = next(same, None)
        if known is None:
            if len(self.refusals) == MAX_REFUSALS:
                return
            known = Refusal(code, message)
            self.refusals.append(known)
        known.count += count
        known.ids = [*known.ids, *ids][:MAX_EXAMPLES]


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
    """The rows to act on, how many they are, and how they were chosen.

    `ids` are all of them, unless they are so many that they need a job.
    """

    scope: str
    rows: QuerySet[M]
    count: int
    words: str
    fingerprint: str
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
        model = self.rows.model._default_manager  # noqa: SLF001 - documented
        for start in range(0, len(self.ids), CHUNK):
            yield model.filter(pk__in=self.ids[start : start + CHUNK])


def select(
    scope: str, rows: QuerySet[M], words: str, *, query: str = "", canonical: str = ""
) -> Selection[M]:
    """Count `rows` and remember which they are; few are read by the statement that counts them."""
    first = list(rows.order_by("pk").values_list("pk", HASH)[: IN_REQUEST + 1])
    ids = [pk for pk, _hashed in first]
    count, mark = len(ids), reduce(xor, (hashed for _pk, hashed in first), 0)
    if count > IN_REQUEST:
        found = rows.order_by().aggregate(count=Count("pk"), mark=BitXor(HASH))
        ids, count, mark = [], found["count"], found["mark"]
    return Selection(scope, rows, count, words, fingerprint(mark), ids, query, canonical)


def fingerprint(mark: int | None) -> str:
    """Write the exclusive or of the rows' hashes; another row makes it another."""
    return f"{(mark or 0) % 2**64:016x}"


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
    if expected and not (expected.isdecimal() and len(expected) <= MAX_DIGITS):
        raise InvalidSelection("The expected count is a whole number.")
    seen = sent.get("fingerprint", selection.fingerprint)
    if expected and (int(expected), seen) != (selection.count, selection.fingerprint):
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
                outcome.refuse(error, row.pk)
        return outcome

    return act


def _by_query(signed: str, kind: type[ListFilter], rows: QuerySet[M], org_id: UUID) -> Selection[M]:
    filters = kind.unsigned(signed, rows, org_id=org_id)
    rows = filters.rows_or_refuse()
    return select(QUERY, rows, filters.words, query=signed, canonical=filters.canonical)


def _by_ids(given: list[str], rows: QuerySet[M]) -> Selection[M]:
    try:
        ids = sorted({UUID(text) for text in given})
    except ValueError:
        raise InvalidSelection("An id is not one that this list showed.") from None
    if not ids:
        raise NothingSelected
    if len(ids) > MAX_IDS:
        raise InvalidSelection(f"At most {MAX_IDS} rows can be selected by hand.")
    return select(IDS, rows.filter(pk__in=ids), "selected by hand")
