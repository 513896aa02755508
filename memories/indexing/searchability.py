"""Whether a memory, and the passages it was made from, can be found by text.

Call inside the tenant, in the transaction that changes the memory. Postings exist exactly for
active memories and searchable passages.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from memories.indexing.postings import index_item, unindex_item
from memories.indexing.terms import count_terms
from memories.models import Memory, Passage, Posting, Recall

SILENCING = (
    Memory.Status.DELETED,
    Memory.Status.SUPERSEDED,
    Memory.Status.QUARANTINED,
    Memory.Status.PENDING_REVIEW,
)
"""Statuses that hide the turns a memory was made from: its text must not come back through them."""
BECAUSE_OF_MEMORY = "memory "
EDITED = "edited"


def count_words(item: Memory | Passage, text: str) -> None:
    """Fill in the terms and the length that the text index needs."""
    item.terms = count_terms(text)
    item.length = sum(item.terms.values())


def publish(memory: Memory) -> None:
    """Let an active memory be found by its words."""
    index_item(
        org_id=memory.org_id,
        agent_id=memory.agent_id,
        item_id=memory.pk,
        kind=Posting.Kind.MEMORY,
        subject=memory.subject,
        terms=memory.terms,
    )


def withdraw(memory: Memory) -> None:
    """Take a memory out of the text index; where its status says so, its turns' passages too."""
    unindex_item(org_id=memory.org_id, agent_id=memory.agent_id, item_id=memory.pk)
    if memory.status in SILENCING:
        hide_turns(memory.source_turns, because=memory.status)
        hide_answers_with([memory.pk], because=memory.status)


def hide_turns(turns: Iterable[UUID], *, because: str) -> None:
    """Hide every passage of these turns: answers repeat what was said."""
    passages = Passage.objects.filter(turn_id__in=list(turns))
    hide_answers_with([passage.pk for passage in passages], because=because)
    _hide(passages, because)
    if because == EDITED:  # whatever hid them before: from now on they say the old words
        hidden = passages.filter(hidden_because__startswith=BECAUSE_OF_MEMORY)
        hidden.update(hidden_because=f"{BECAUSE_OF_MEMORY}{EDITED}")


def hide_answers_with(items: Iterable[UUID], *, because: str) -> None:
    """Hide the answers whose prompts held one of these items, and the answers given with those.

    What is deleted would come back through them. Each item is followed once, so this ends.
    """
    followed: set[UUID] = set()
    waiting = set(items)
    while waiting:
        followed |= waiting
        turns = Recall.objects.filter(item_id__in=waiting).values_list("turn_id", flat=True)
        answers = Passage.objects.filter(turn_id__in=list(turns), part__gt=0)
        waiting = {answer.pk for answer in answers} - followed
        _hide(answers, because)


def _hide(passages: QuerySet[Passage], because: str) -> None:
    shown = passages.filter(status=Passage.Status.SEARCHABLE)
    for passage in shown.select_for_update().order_by("pk"):
        passage.status = Passage.Status.HIDDEN
        passage.hidden_because = f"{BECAUSE_OF_MEMORY}{because}".replace("_", " ")
        passage.save(update_fields=["status", "hidden_because"])
        unindex_item(org_id=passage.org_id, agent_id=passage.agent_id, item_id=passage.pk)


def publish_passage(passage: Passage) -> None:
    """Let a searchable passage be found by its words."""
    index_item(
        org_id=passage.org_id,
        agent_id=passage.agent_id,
        item_id=passage.pk,
        kind=Posting.Kind.PASSAGE,
        subject=passage.subject,
        terms=passage.terms,
    )
