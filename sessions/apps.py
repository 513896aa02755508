"""App configuration of `sessions`."""

from typing import Any

from django.apps import AppConfig, apps

from ibex.watching import columns, watch
from orgs.finding import Finder, findable, of_org
from orgs.permissions import Permission


class SessionsConfig(AppConfig):
    """Conversations. `django.contrib.sessions` owns the label `sessions`, so ours differs."""

    name = "sessions"
    label = "agent_sessions"

    def ready(self) -> None:
        """Let a page follow a conversation, and the palette find one by its id or its name."""
        changes = columns(
            self.get_model("Session"),
            "status",
            "turn_count",
            "extracted_through",
            "archive_version",
        )
        watch("session", Permission.SESSION_READ, changes)
        findable(
            Finder(
                "Session",
                "messages",
                Permission.SESSION_READ,
                of_org(self.get_model("Session")),
                page="session",
                named=self._named,
            )
        )

    def _named(self, request: Any, words: str) -> Any:
        org_id = request.access.org_id
        sessions = self.get_model("Session")._default_manager.filter(org=org_id)  # noqa: SLF001
        agents = apps.get_model("agents.Agent")._default_manager.filter(org=org_id)  # noqa: SLF001
        # A name is unique per agent: the index begins with the agent.
        return sessions.filter(agent__in=agents, external_id=words).first()
