"""What stood in the prompt of a turn: the recall log, counters, and what may be shown for it."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, OuterRef, Subquery

from memories.indexing.searchability import (
    BECAUSE_OF_MEMORY,
    EDITED,
    SILENCING,
    publish_passage,
)
from memories.models import ItemKind, Memory, MemoryVersion, Passage, Recall
from sessions.models import Turn

KINDS = {"memory": ItemKind.MEMORY, "passage": ItemKind.PASSAGE}


def note_recalls(turns: Sequence[Turn]) -> None:
    """Write down what was injected into these turns, once; count it on the memories."""
    for turn in turns:
        recalls = [_recall(turn, item_id, entry) for item_id, entry in injected(turn)]
        if not recalls or Recall.objects.filter(turn=turn).exists():
            continue
        Recall.objects.bulk_create(recalls)
        memories = [r.item_id for r in recalls if r.kind == ItemKind.MEMORY]
        Memory.objects.filter(pk__in=memories).update(
            injected_count=F("injected_count") + 1,
            retrieved_count=F("retrieved_count") + 1,
            last_injected_at=turn.created_at,
        )


def was_given_what_is_gone(turn: Turn) -> str:
    """Return why this turn's answer must stay hidden: its prompt held what is gone by now.

    A memory is gone when it is silenced, and its words when they were edited since.
    """
    items = [item_id for item_id, _entry in injected(turn)]
    statuses = Memory.objects.filter(pk__in=items, status__in=SILENCING)
    if status := statuses.values_list("status", flat=True).first():
        return f"{BECAUSE_OF_MEMORY}{status}".replace("_", " ")
    if _were_edited_since(turn, items):
        return f"{BECAUSE_OF_MEMORY}{EDITED}"
    hidden = Passage.objects.filter(
        pk__in=items, status=Passage.Status.HIDDEN, hidden_because__startswith=BECAUSE_OF_MEMORY
    )
    return hidden.values_list("hidden_because", flat=True).first() or ""


def reveal_turns(memory: Memory) -> None:
    """Show the passages again that only this memory had hidden, unless it was corrected since.

    Answers whose prompt held something else that is gone stay hidden too. Call inside the tenant.
    """
    blocked = Memory.objects.filter(
        agent_id=memory.agent_id,
        status__in=SILENCING,
        source_turns__overlap=memory.source_turns,
    ).exclude(pk=memory.pk)
    still_hidden = {
        turn for turns in blocked.values_list("source_turns", flat=True) for turn in turns
    }
    passages = Passage.objects.filter(
        turn_id__in=set(memory.source_turns) - still_hidden,
        status=Passage.Status.HIDDEN,
        hidden_because__startswith=BECAUSE_OF_MEMORY,
    ).exclude(hidden_because=f"{BECAUSE_OF_MEMORY}{EDITED}")
    for passage in passages.select_for_update().order_by("pk"):
        if passage.part > 0 and _is_answer_to_what_is_gone(passage):
            continue
        passage.status = Passage.Status.SEARCHABLE
        passage.hidden_because = ""
        passage.save(update_fields=["status", "hidden_because"])
        publish_passage(passage)


def _is_answer_to_what_is_gone(passage: Passage) -> bool:
    turn = Turn.objects.only("injected", "created_at").get(pk=passage.turn_id)
    return bool(was_given_what_is_gone(turn))


def _were_edited_since(turn: Turn, items: Sequence[UUID]) -> bool:
    versions = MemoryVersion.objects.filter(memory=OuterRef("pk"), created_at__lte=turn.created_at)
    injected_words = Subquery(versions.order_by("-number").values("content")[:1])
    memories = Memory.objects.filter(pk__in=items).annotate(injected_words=injected_words)
    return memories.exclude(injected_words=None).exclude(content=F("injected_words")).exists()


def injected(turn: Turn) -> Iterator[tuple[UUID, dict[str, Any]]]:
    """Yield the items of a turn's block with their entries; a malformed entry is left out."""
    for entry in turn.injected:
        try:
            yield UUID(entry["id"]), entry
        except (KeyError, TypeError, ValueError):
            continue


def _recall(turn: Turn, item_id: UUID, entry: dict[str, Any]) -> Recall:
    return Recall(
        org_id=turn.org_id,
        turn=turn,
        item_id=item_id,
        kind=KINDS.get(entry.get("kind", ""), ItemKind.PASSAGE),
        rank=entry.get("rank", 0),
        score=entry.get("score", 0.0),
        created_at=turn.created_at,
    )
