"""What a new memory means for those that are there: merge, supersede, review, or neither.

The rules and their reasons are in ADR 0037. Pure: it decides, and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from memories.models import Category, Memory
from memories.writing.comparison import Relation, compare, mentions
from memories.writing.drafts import Draft

UNSURE_BELOW = 0.60


class Outcome(StrEnum):
    """What became of something that was to be remembered."""

    CREATED = "created"
    DUPLICATE = "duplicate"
    MERGED = "merged"
    SUPERSEDED = "superseded"
    OUTDATED = "outdated"
    PENDING_REVIEW = "pending_review"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class Judgement:
    """An outcome, the memories that it concerns, and why."""

    outcome: Outcome
    others: list[Memory] = field(default_factory=list)
    reason: str = ""


def judge(draft: Draft, near: Sequence[Memory], rivals: Sequence[Memory]) -> Judgement:
    """Decide about a draft, given its near duplicates and the memories about the same thing."""
    if draft.is_risky:
        return Judgement(Outcome.QUARANTINED, [], "Reads like an instruction to the model.")
    for memory in (*near, *rivals):
        if _is_same(draft, memory):
            return Judgement(Outcome.MERGED, [memory], "Says the same in other words.")
    replaced = [memory for memory in rivals if _is_replaced(draft, memory)]
    if replaced:
        return _judge_replacement(draft, replaced)
    opposed = [memory for memory in near if _cannot_both_hold(draft, memory)]
    if opposed:
        reason = "Cannot hold together with another memory, and it is unclear which is right."
        return Judgement(Outcome.PENDING_REVIEW, opposed, reason)
    return Judgement(Outcome.CREATED)


def _judge_replacement(draft: Draft, replaced: list[Memory]) -> Judgement:
    later = [memory for memory in replaced if memory.valid_from > draft.valid_from]
    if later:
        return Judgement(Outcome.OUTDATED, later, "A later value was known already.")
    if any(memory.pinned for memory in replaced):
        reason = "Would replace a pinned memory."
        return Judgement(Outcome.PENDING_REVIEW, replaced, reason)
    if draft.confidence < UNSURE_BELOW:
        reason = "Would replace another memory, and is not sure enough to."
        return Judgement(Outcome.PENDING_REVIEW, replaced, reason)
    return Judgement(Outcome.SUPERSEDED, replaced, "A newer value of the same thing.")


def _is_same(draft: Draft, memory: Memory) -> bool:
    keys = {draft.subject_key, memory.subject_key} - {""}
    return (
        len(keys) < 2  # noqa: PLR2004 - two keys are two different things
        and draft.visibility == memory.visibility
        and _ends(draft.valid_until) == _ends(memory.valid_until)
        and compare(draft.content, memory.content) is Relation.SAME
    )


def _is_replaced(draft: Draft, memory: Memory) -> bool:
    return not draft.retracts or mentions(memory.content, draft.retracts)


def _cannot_both_hold(draft: Draft, memory: Memory) -> bool:
    if Category.EPISODIC in (draft.category, memory.category):
        return False  # the same thing may happen twice
    return compare(draft.content, memory.content) is Relation.OPPOSED


def _ends(moment: datetime | None) -> bool:
    return moment is not None
