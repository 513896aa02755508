"""App configuration of `sessions`."""

from typing import Any
from uuid import UUID

from django.apps import AppConfig, apps
from django.urls import reverse

from ibex.watching import columns, watch
from orgs.finding import Finder, findable
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
                self._find,
                url=lambda session: reverse("session", args=[session.pk]),
            )
        )

    def _find(self, org_id: UUID, pk: UUID | None, words: str) -> Any:
        sessions = self.get_model("Session")._default_manager.filter(org=org_id)  # noqa: SLF001
        agents = apps.get_model("agents.Agent")._default_manager.filter(org=org_id)  # noqa: SLF001
        found = sessions.filter(pk=pk).first() if pk else None
        # A name is unique per agent: the index begins with the agent.
        return found or sessions.filter(agent__in=agents, external_id=words).first()
