"""What can be done to many memories at once, all of it under one request id."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from ibex.selection import BulkAction, Outcome, each
from memories import services
from memories.forms import BulkTagForm
from memories.models import Memory
from memories.writing.neighbours import lock_bulk
from orgs.audit import Actor
from orgs.permissions import Permission


def _in_turn(change: Callable[..., Any]) -> Callable[..., Outcome]:
    """Change each memory of a chunk; of two bulk changes in an organization, one waits."""
    act = each(change, "memory")

    def change_chunk(rows: QuerySet[Memory], actor: Actor, reason: str, **options: Any) -> Outcome:
        lock_bulk()
        lean = rows.defer("embedding", "terms").order_by("agent_id", "pk")
        return act(lean, actor, reason, **options)

    return change_chunk


def _words(memory: Memory) -> str:
    return memory.content


ARCHIVE: BulkAction[Memory] = BulkAction(
    name="archive",
    verb="Archive",
    noun="memory",
    nouns="memories",
    done="Archived",
    needs=Permission.MEMORY_WRITE,
    act=_in_turn(services.archive_memory),
    consequence="They are kept and no longer used. They can be restored.",
    icon="archive",
    shown=_words,
)
RESTORE: BulkAction[Memory] = BulkAction(
    name="restore",
    verb="Restore",
    noun="memory",
    nouns="memories",
    done="Restored",
    needs=Permission.MEMORY_WRITE,
    act=_in_turn(services.restore_memory),
    consequence="They are used again, and replace what is known about the same thing.",
    icon="arrow-back-up",
    shown=_words,
)
TAG: BulkAction[Memory] = BulkAction(
    name="tag",
    verb="Tag",
    noun="memory",
    nouns="memories",
    done="Tagged",
    needs=Permission.MEMORY_WRITE,
    act=_in_turn(services.tag_memory),
    icon="tag",
    shown=_words,
    form=BulkTagForm,
)
DELETE: BulkAction[Memory] = BulkAction(
    name="delete",
    verb="Delete",
    noun="memory",
    nouns="memories",
    done="Deleted",
    needs=Permission.MEMORY_DELETE,
    act=_in_turn(services.delete_memory),
    consequence="Neither they nor the turns they were made from are found any more, until they "
    "are restored.",
    icon="trash",
    shown=_words,
    is_danger=True,
)
ACTIONS = {action.name: action for action in (ARCHIVE, RESTORE, TAG, DELETE)}
