"""App configuration of `agents`."""

from django.apps import AppConfig
from django.urls import reverse

from orgs.finding import Finder, by_id, findable
from orgs.permissions import Permission


class AgentsConfig(AppConfig):
    """Agents and their configuration."""

    name = "agents"

    def ready(self) -> None:
        """Let the palette find an agent by its id."""
        findable(
            Finder(
                "Agent",
                "robot",
                Permission.AGENT_READ,
                by_id(self.get_model("Agent")),
                url=lambda agent: reverse("agent", args=[agent.pk]),
            )
        )
