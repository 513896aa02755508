"""Routes of the console's pages of memories."""

from django.urls import path

from memories.bulk import ACTIONS
from memories.views import browser, dead_letters, memory, review, undo, writing

urlpatterns = [
    path("memories/", browser.memories, name="memories"),
    path("memories/new/", writing.new_memory, name="new-memory"),
    path("memories/review/", review.inbox, name="review"),
    path("memories/undo/<uuid:request_id>/", undo.undo, name="undo-memories"),
    *[
        path(
            f"memories/bulk/{action}/",
            browser.memories_bulk,
            {"action": action},
            name=f"{action}-memories",
        )
        for action in ACTIONS
    ],
    *[
        path(
            f"memories/<uuid:memory_id>/{decision}/",
            review.decide,
            {"decision": decision},
            name=f"{decision}-memory",
        )
        for decision in review.DECISIONS
    ],
    path("memories/<uuid:memory_id>/", memory.memory, name="memory"),
    path("memories/<uuid:memory_id>/peek/", memory.memory_peek, name="memory-peek"),
    path("memories/<uuid:memory_id>/edit/", writing.edit_memory, name="edit-memory"),
    path("memories/<uuid:memory_id>/tag/", memory.tag_memory, name="tag-memory"),
    path("memories/<uuid:memory_id>/feedback/", memory.rate_memory, name="rate-memory"),
    *[
        path(
            f"memories/<uuid:memory_id>/{action}/",
            memory.change_memory,
            {"action": action},
            name=f"{action}-memory",
        )
        for action in memory.CHANGES
    ],
    *[
        path(
            f"memories/<uuid:memory_id>/{action}/",
            memory.mark_memory,
            {"action": action},
            name=f"{action}-memory",
        )
        for action in memory.MARKS
    ],
    path("dead-letters/", dead_letters.dead_letters, name="dead-letters"),
    path("dead-letters/<uuid:letter_id>/peek/", dead_letters.peek, name="dead-letter-peek"),
    path("dead-letters/retry/", dead_letters.retry_dead_letters, name="retry-dead-letters"),
    path("agents/<uuid:agent_id>/memories/", browser.agent_memories, name="agent-memories"),
]
