"""App configuration of `memories`."""

from django.apps import AppConfig


class MemoriesConfig(AppConfig):
    """What agents learn, and how it is found again."""

    name = "memories"
