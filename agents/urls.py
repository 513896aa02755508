"""Routes of the console's pages of agents."""

from django.urls import path

from agents import views

urlpatterns = [
    path("agents/", views.agents, name="agents"),
    path("agents/<uuid:agent_id>/", views.agent, name="agent"),
]
