"""Routes of the console's pages of memories."""

from django.urls import path

from memories import views

urlpatterns = [
    path("memories/", views.memories, name="memories"),
    path("memories/<uuid:memory_id>/", views.memory, name="memory"),
    *[
        path(
            f"memories/<uuid:memory_id>/{action}/",
            views.change_memory,
            {"action": action},
            name=f"{action}-memory",
        )
        for action in views.CHANGES
    ],
    path("agents/<uuid:agent_id>/memories/", views.agent_memories, name="agent-memories"),
]
