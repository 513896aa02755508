"""The first steps of the write pipeline: validate → redact → risk → hash. No database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from memories import metrics
from memories.errors import InvalidMemory, MemoryTooLong
from memories.indexing.text import content_hash, sanitise
from memories.models import MAX_CONTENT_BYTES, Category, Memory
from memories.screening.redaction import Redacted, redact
from memories.screening.risk import QUARANTINE_ABOVE, injection_risk

MAX_LABELS = 5
MAX_TAGS = 20
MAX_TAG_CHARACTERS = 64
MAX_KEY_CHARACTERS = 200
MAX_SUBJECT_CHARACTERS = 128


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A memory as it may be written: checked, without personal data, judged and hashed."""

    content: str
    content_hash: str
    pii: tuple[str, ...]
    injection_risk: float
    source: str
    labels: Mapping[str, float]
    confidence: float
    visibility: str
    subject: str | None
    session_id: UUID | None
    subject_key: str
    pinned: bool
    tags: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime | None
    observed_at: datetime
    expires_at: datetime | None
    source_turns: tuple[UUID, ...]
    replaces: tuple[str, ...]
    retracts: str

    @property
    def category(self) -> str:
        """The label that is surest; among equals the first by alphabet."""
        return main_category(self.labels)

    @property
    def is_risky(self) -> bool:
        """Whether it must wait for an operator (contract: above 0.70)."""
        return self.injection_risk > QUARANTINE_ABOVE


def prepare(
    *,
    content: str,
    source: str = Memory.Source.USER_PROVIDED,
    category: str | None = None,
    labels: Mapping[str, float] | None = None,
    confidence: float = 0.80,
    visibility: str | None = None,
    subject: str | None = None,
    session_id: UUID | None = None,
    subject_key: str = "",
    pinned: bool = False,
    tags: Sequence[str] = (),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    observed_at: datetime | None = None,
    expires_at: datetime | None = None,
    source_turns: Sequence[UUID] = (),
    replaces: Sequence[str] = (),
    retracts: str = "",
) -> Draft:
    """Check and clean what somebody wants remembered.

    Raises `InvalidMemory` with the field, `MemoryTooLong` for the content.
    """
    clean = clean_content(content)
    now = timezone.now()
    begins = valid_from or now
    check_probability("confidence", confidence)
    check_interval(begins, valid_until)
    return Draft(
        content=clean.text,
        content_hash=content_hash(clean.text),
        pii=clean.kinds,
        injection_risk=injection_risk(clean.text),
        source=_choice("source", source, Memory.Source.values),
        labels=check_labels(labels or {category or Category.FACTUAL: confidence}),
        confidence=confidence,
        visibility=_visibility(visibility, session_id),
        subject=_short("subject", subject, MAX_SUBJECT_CHARACTERS) if subject else None,
        session_id=session_id,
        subject_key=clean_key(subject_key),
        pinned=pinned,
        tags=clean_tags(tags),
        valid_from=begins,
        valid_until=valid_until,
        observed_at=observed_at or now,
        expires_at=expires_at,
        source_turns=tuple(source_turns),
        replaces=tuple(map(clean_key, replaces)),
        retracts=redact(sanitise(retracts)).text,
    )


def clean_content(content: str) -> Redacted:
    """Return storable text without personal data; 1 to 10,000 bytes, before and after."""
    text = sanitise(content).strip()
    _check_size(text)
    clean = redact(text)
    _check_size(clean.text)
    for kind in clean.kinds:
        metrics.REDACTED.labels(kind).inc()
    return clean


def clean_key(key: str) -> str:
    """Return what a memory is about, such as `user.database.host`; at most 200 characters."""
    return _short("subject_key", redact(sanitise(key).strip()).text, MAX_KEY_CHARACTERS)


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return up to 20 different tags of up to 64 characters each."""
    cleaned = dict.fromkeys(redact(sanitise(tag).strip()).text for tag in tags)
    cleaned.pop("", None)
    if len(cleaned) > MAX_TAGS:
        raise InvalidMemory("tags", f"A memory has at most {MAX_TAGS} tags.")
    return tuple(_short("tags", tag, MAX_TAG_CHARACTERS) for tag in cleaned)


def check_labels(labels: Mapping[str, float]) -> dict[str, float]:
    """Return 1 to 5 known categories with their confidence."""
    if not 0 < len(labels) <= MAX_LABELS:
        raise InvalidMemory("labels", f"A memory has 1 to {MAX_LABELS} labels.")
    for label, confidence in labels.items():
        _choice("labels", label, Category.values)
        check_probability("labels", confidence)
    return {str(label): confidence for label, confidence in labels.items()}


def main_category(labels: Mapping[str, float]) -> str:
    """Return the label that is surest; among equals the first by alphabet."""
    return min(labels, key=lambda label: (-labels[label], label))


def check_probability(field: str, value: float) -> None:
    """Refuse a value outside 0 to 1."""
    if not 0 <= value <= 1:
        raise InvalidMemory(field, f"{field.capitalize()} must be between 0 and 1.")


def check_interval(begins: datetime, ends: datetime | None) -> None:
    """Refuse a validity that ends before it begins."""
    if ends is not None and ends < begins:
        raise InvalidMemory("valid_until", "A memory cannot end before it begins.")


def _check_size(text: str) -> None:
    size = len(text.encode())
    if not 0 < size <= MAX_CONTENT_BYTES:
        raise MemoryTooLong(size, MAX_CONTENT_BYTES)


def _short(field: str, value: str, limit: int) -> str:
    clean = sanitise(value)
    if len(clean) > limit:
        raise InvalidMemory(field, f"This has at most {limit} characters: {field}.")
    return clean


def _choice(field: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise InvalidMemory(field, f"{field.capitalize()} is one of {', '.join(choices)}.")
    return str(value)


def _visibility(visibility: str | None, session_id: UUID | None) -> str:
    of_session = Memory.Visibility.SESSION
    chosen = visibility or (of_session if session_id else Memory.Visibility.AGENT)
    if (chosen == of_session) != (session_id is not None):
        message = "A memory names a session exactly when only that session may see it."
        raise InvalidMemory("visibility", message)
    return _choice("visibility", chosen, Memory.Visibility.values)
