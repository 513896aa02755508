"""The management API of the status."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet
from ibex.openapi import documented
from ibex.status.reading import read_status
from orgs.models import Organization
from orgs.permissions import Permission


class DependencySerializer(serializers.Serializer[Any]):
    """One dependency; `status` is ok, timeout, or how it failed."""

    name = serializers.CharField()
    status = serializers.CharField()
    latency_ms = serializers.FloatField()


class ConnectedProxySerializer(serializers.Serializer[Any]):
    """One connected proxy; `behind` is how many changes it has not taken yet."""

    name = serializers.CharField()
    since = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    revision = serializers.IntegerField()
    behind = serializers.IntegerField()
    silent = serializers.BooleanField(source="is_silent")


class WaitingSerializer(serializers.Serializer[Any]):
    """What waits for a worker; a table adds 1001 at most, which says more than 1,000."""

    work = serializers.CharField()
    count = serializers.IntegerField()
    oldest = serializers.DateTimeField(allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    """What answers, which proxies listen, what waits in the organization, what runs."""

    read_at = serializers.DateTimeField()
    health = serializers.ChoiceField(["ok", "degraded", "unhealthy"])
    checks = DependencySerializer(many=True)
    proxies = ConnectedProxySerializer(many=True)
    waiting = WaitingSerializer(many=True)
    versions = serializers.DictField(child=serializers.CharField())


class StatusViewSet(OrgViewSet[Organization]):
    """How IBEX is doing."""

    queryset = Organization.objects.all()
    required: ClassVar = {"retrieve": Permission.ANALYTICS_READ}
    enters_tenant_itself = frozenset({"retrieve"})

    @documented(answers=StatusSerializer)
    def retrieve(self, _request: Request) -> Response:
        """Check every dependency now, and say what waits in the caller's organization."""
        found = read_status(self.caller.org_id, self.caller.agent_id)
        return Response(StatusSerializer(found).data)
