"""App configuration of `agents`."""

from django.apps import AppConfig

from orgs.finding import Finder, findable, of_org
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
                of_org(self.get_model("Agent")),
                page="agent",
            )
        )
