"""What an operator may change of a memory, and what follows from new content."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from memories.errors import InvalidMemory
from memories.indexing.searchability import (
    EDITED,
    count_words,
    hide_answers_with,
    hide_turns,
)
from memories.indexing.text import content_hash
from memories.indexing.vectors import set_embedding
from memories.models import Category, Memory
from memories.screening.risk import QUARANTINE_ABOVE, injection_risk
from memories.writing.changes import replace_labels
from memories.writing.drafts import (
    check_interval,
    check_labels,
    check_probability,
    clean_content,
    clean_key,
    clean_tags,
    main_category,
)

PLAIN = frozenset(
    {
        "confidence",
        "usefulness",
        "pinned",
        "valid_from",
        "valid_until",
        "observed_at",
        "expires_at",
    }
)
EDITABLE = PLAIN | {"content", "category", "labels", "tags", "subject_key", "visibility"}
SHARED = (Memory.Visibility.AGENT, Memory.Visibility.ORG)


@dataclass(frozen=True)
class Edit:
    """Checked changes; the first four are set together, when the content changes."""

    content: str | None = None
    content_hash: str | None = None
    pii: tuple[str, ...] = ()
    injection_risk: float = 0.0
    labels: Mapping[str, float] | None = None
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def is_risky(self) -> bool:
        """Whether the new content must wait for an operator."""
        return self.injection_risk > QUARANTINE_ABOVE


def prepare_edit(memory: Memory, changes: Mapping[str, Any]) -> Edit:
    """Check changes before anything is locked. Raises `InvalidMemory`, `TypeError`."""
    if unknown := set(changes) - EDITABLE:
        raise TypeError(f"{', '.join(sorted(unknown))} of a memory cannot be set.")
    values = {name: changes[name] for name in PLAIN & set(changes)}
    for name in {"confidence", "usefulness"} & set(values):
        check_probability(name, values[name])
    begins = values.get("valid_from", memory.valid_from)
    check_interval(begins, values.get("valid_until", memory.valid_until))
    if "tags" in changes:
        values["tags"] = list(clean_tags(changes["tags"]))
    if "subject_key" in changes:
        values["subject_key"] = clean_key(changes["subject_key"])
    if "visibility" in changes:
        values["visibility"] = _visibility(memory, changes["visibility"])
    labels = _labels(memory, changes)
    if labels:
        values["category"] = main_category(labels)
    return Edit(labels=labels, values=values, **_content(memory, changes.get("content")))


def apply_edit(memory: Memory, edit: Edit, vector: list[float] | None) -> None:
    """Change a locked memory and save it; new content hides what says the old one."""
    for name, value in edit.values.items():
        setattr(memory, name, value)
    if edit.content is not None:
        memory.content = edit.content
        memory.content_hash = edit.content_hash or ""
        memory.pii = list(edit.pii)
        memory.injection_risk = edit.injection_risk
        count_words(memory, edit.content)
        set_embedding(memory, vector)
        if edit.is_risky:
            memory.status = Memory.Status.QUARANTINED
            memory.embed_after = None
        hide_turns(memory.source_turns, because=EDITED)
        hide_answers_with([memory.pk], because=EDITED)
    memory.updated_at = timezone.now()
    memory.save()
    if edit.labels:
        replace_labels(memory, edit.labels)


def _content(memory: Memory, content: str | None) -> dict[str, Any]:
    if content is None:
        return {}
    clean = clean_content(content)
    if clean.text == memory.content:
        return {}
    return {
        "content": clean.text,
        "content_hash": content_hash(clean.text),
        "pii": clean.kinds,
        "injection_risk": injection_risk(clean.text),
    }


def _labels(memory: Memory, changes: Mapping[str, Any]) -> dict[str, float] | None:
    if changes.get("labels"):
        return check_labels(changes["labels"])
    category = changes.get("category")
    if category is None or category == memory.category:
        return None
    if category not in Category.values:
        raise InvalidMemory("category", f"Category is one of {', '.join(Category.values)}.")
    return {str(category): changes.get("confidence", memory.confidence)}


def _visibility(memory: Memory, visibility: str) -> str:
    if visibility != memory.visibility and not {visibility, memory.visibility} <= set(SHARED):
        message = "Visibility changes between agent and org; one session's memory stays its own."
        raise InvalidMemory("visibility", message)
    return visibility
