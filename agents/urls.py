"""Routes of the console's pages of agents."""

from django.urls import path

from agents import views
from agents.bulk import ACTIONS

urlpatterns = [
    path("agents/", views.agents, name="agents"),
    *[
        path(
            f"agents/bulk/{action}/",
            views.agents_bulk,
            {"action": action},
            name=f"{action}-agents",
        )
        for action in ACTIONS
    ],
    path("agents/<uuid:agent_id>/", views.agent, name="agent"),
]
