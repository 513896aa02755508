"""Routes of the console's pages of agents."""

from django.urls import path

from agents import views
from agents.bulk import ACTIONS

urlpatterns = [
    path("agents/", views.agents, name="agents"),
    path("agents/new/", views.new_agent, name="new-agent"),
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
    path("agents/<uuid:agent_id>/peek/", views.agent_peek, name="agent-peek"),
    path("agents/<uuid:agent_id>/figures/", views.agent_figures, name="agent-figures"),
    path("agents/<uuid:agent_id>/settings/", views.agent_settings, name="agent-settings"),
    *[
        path(
            f"agents/<uuid:agent_id>/{action}/",
            views.change_agent,
            {"action": action},
            name=f"{action}-agent",
        )
        for action in views.CHANGES
    ],
    path("agents/<uuid:agent_id>/archive/", views.archive_agent, name="archive-agent"),
]
