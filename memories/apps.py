"""App configuration of `memories`."""

from typing import Any

from django.apps import AppConfig

from orgs.finding import Finder, findable, of_org
from orgs.permissions import Permission

LABEL_LENGTH = 80


class MemoriesConfig(AppConfig):
    """What agents learn, and how it is found again."""

    name = "memories"

    def ready(self) -> None:
        """Let the palette find a memory by its id."""

        def label(memory: Any) -> str:
            return str(memory.content)[:LABEL_LENGTH]

        findable(
            Finder(
                "Memory",
                "brain",
                Permission.MEMORY_READ,
                of_org(self.get_model("Memory")),
                page="memory",
                label=label,
            )
        )
