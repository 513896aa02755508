"""App configuration of `sessions`."""

from django.apps import AppConfig

from ibex.watching import columns, watch
from orgs.permissions import Permission


class SessionsConfig(AppConfig):
    """Conversations. `django.contrib.sessions` owns the label `sessions`, so ours differs."""

    name = "sessions"
    label = "agent_sessions"

    def ready(self) -> None:
        """Let a page follow a conversation."""
        changes = columns(
            self.get_model("Session"),
            "status",
            "turn_count",
            "extracted_through",
            "archive_version",
        )
        watch("session", Permission.SESSION_READ, changes)
