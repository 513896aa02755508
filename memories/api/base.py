"""What every endpoint of the memory APIs shares."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet
from ibex.tenancy import tenant
from memories import services
from memories.models import Memory
from memories.serializers import MemoryChanges, MemorySerializer
from memories.services import Outcome
from orgs.authentication import Caller
from orgs.refusals import AgentNotAuthorized

MEMORIES = Memory.objects.prefetch_related("labels")
KNOWN_ALREADY = {Outcome.DUPLICATE, Outcome.MERGED}
CHANGED = {409: ["MEMORY_STATUS_REFUSED"]}
EDITED = {409: ["MEMORY_ALREADY_KNOWN", "MEMORY_CHANGED", "MEMORY_STATUS_REFUSED"]}


class MemoryViewSet(OrgViewSet[Memory]):
    """What every memory endpoint shares."""

    queryset = MEMORIES
    serializer: type[MemorySerializer] = MemorySerializer

    def show(self, memory: Memory, status: int = 200, **more: Any) -> Response:
        """Answer with a memory as it stands now."""
        with tenant(self.caller.org_id):
            row = self.serializer(MEMORIES.get(pk=memory.pk)).data
        return Response({**row, **more}, status=status)

    def edit(self, request: Request, memory: Memory) -> Response:
        """Change a memory; outside of a transaction, since new content is embedded."""
        changes = self.read(MemoryChanges, request.data)
        given = {name: changes.pop(name) for name in ("reason", "base_version") if name in changes}
        refuse_sharing(self.caller, changes)
        if changes:
            memory = services.edit_memory(
                memory=memory, actor=self.caller.actor, **given, **changes
            )
        return self.show(memory)


def refuse_sharing(caller: Caller, values: dict[str, Any]) -> None:
    """Keep a token of one agent from writing what every agent of the org would be told."""
    if caller.agent_id is not None and values.get("visibility") == Memory.Visibility.ORG:
        raise AgentNotAuthorized
