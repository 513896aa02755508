"""Any two versions of a memory beside each other: the words, and what else was changed."""

from dataclasses import dataclass

from ibex.differences import Piece, word_changes
from memories.models import Memory, MemoryVersion

LABELS = {
    "subject_key": "about",
    "valid_from": "valid from",
    "valid_until": "valid until",
    "observed_at": "observed",
    "expires_at": "expires",
}


@dataclass(frozen=True)
class ValueChange:
    """One value other than the text, before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Comparison:
    """What changed from `base` to `head`; `pieces` is None when the texts are too different."""

    base: MemoryVersion
    head: MemoryVersion
    pieces: list[Piece] | None
    values: list[ValueChange]

    @property
    def is_same_text(self) -> bool:
        """Whether the words are the same in both."""
        return self.base.content == self.head.content


def chosen(memory: Memory, base: str | None, head: str | None) -> Comparison | None:
    """Compare the versions of these numbers; None when the memory does not have both."""
    if not (base and head and base.isdecimal() and head.isdecimal()):
        return None
    numbers = {int(base[:9]), int(head[:9])}
    rows = {row.number: row for row in memory.versions.filter(number__in=numbers)}
    old, new = rows.get(int(base[:9])), rows.get(int(head[:9]))
    return compare(old, new) if old and new else None


def compare(base: MemoryVersion, head: MemoryVersion) -> Comparison:
    """Compare two versions of the same memory."""
    return Comparison(base, head, word_changes(base.content, head.content), _values(base, head))


def _values(base: MemoryVersion, head: MemoryVersion) -> list[ValueChange]:
    names = [name for name in head.fields if base.fields.get(name) != head.fields[name]]
    return [
        ValueChange(
            LABELS.get(name, name), _shown(base.fields.get(name)), _shown(head.fields[name])
        )
        for name in names
    ]


def _shown(value: object) -> str:
    match value:
        case None | "" | [] | {}:
            return "none"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}"
        case _:
            return str(value)
