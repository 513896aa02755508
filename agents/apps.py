"""App configuration of `agents`."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    """Agents and their configuration."""

    name = "agents"
