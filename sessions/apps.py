"""App configuration of `sessions`."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    """Conversations. `django.contrib.sessions` owns the label `sessions`, so ours differs."""

    name = "sessions"
    label = "agent_sessions"
