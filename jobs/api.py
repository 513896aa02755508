"""The management API of jobs, and how another endpoint answers that work goes on behind."""

from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet, PageQuery, Reason, StrictSerializer, filter_query
from ibex.openapi import documented, page_of
from jobs import services
from jobs.filters import JobFilter
from jobs.models import Job, JobEvent, JobQuerySet
from orgs.models import AuditEvent
from orgs.permissions import Permission

OWN = Permission(0)
"""Everybody has their own jobs; those of others need JobManage, which the queryset looks at."""


REFUSED_AGAIN = {409: ["JOB_NOT_RETRYABLE", "JOB_ROWS_FORGOTTEN"]}


class JobOwner(StrictSerializer):
    """Whoever asked for a job, as audit names them."""

    type = serializers.ChoiceField(AuditEvent.Actor.choices, source="owner_type")
    id = serializers.UUIDField(source="owner_id", allow_null=True)
    label = serializers.CharField(source="owner_label")  # type: ignore[assignment]  # a field


class JobSerializer(serializers.ModelSerializer[Job]):
    """A job as the API shows it. `done` counts what failed too; `total` may be unknown."""

    owner = JobOwner(source="*", read_only=True)
    stalled = serializers.BooleanField(source="is_stalled", read_only=True)
    result = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = [
            "id",
            "kind",
            "title",
            "state",
            "stalled",
            "done",
            "failed",
            "total",
            "why",
            "result",
            "reason",
            "owner",
            "agent_id",
            "subject",
            "request_id",
            "retries",
            "cancel_requested_at",
            "created_at",
            "started_at",
            "heartbeat_at",
            "finished_at",
            "rows_forgotten_at",
        ]

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {}})
    def get_result(self, job: Job) -> Any:
        """Return what came of it: counts and ids."""
        return job.result


class JobActor(StrictSerializer):
    """Whoever asked for a change of a job, as audit names them."""

    type = serializers.ChoiceField(AuditEvent.Actor.choices, source="actor_type")
    id = serializers.UUIDField(source="actor_id", allow_null=True)
    label = serializers.CharField(source="actor_label")  # type: ignore[assignment]  # a field


class JobEventSerializer(serializers.ModelSerializer[JobEvent]):
    """A line of a job's log: what happened, how the job stood then, `took_s` from start to end."""

    actor = serializers.SerializerMethodField()
    took_s = serializers.SerializerMethodField()

    class Meta:
        model = JobEvent
        fields = [
            "id",
            "kind",
            "run",
            "actor",
            "state",
            "done",
            "failed",
            "total",
            "why",
            "next_at",
            "took_s",
            "created_at",
        ]

    @extend_schema_field(JobActor(allow_null=True))
    def get_actor(self, event: JobEvent) -> Any:
        """Return who asked for it; nobody does for what a worker did."""
        return JobActor(event).data if event.actor_type else None

    @extend_schema_field({"type": ["number", "null"]})
    def get_took_s(self, event: JobEvent) -> float | None:
        """Return how long it took, in seconds."""
        return None if event.took is None else event.took.total_seconds()


class JobViewSet(OrgViewSet[Job]):
    """Follow background work, stop it, and have it tried again.

    Whoever holds JobManage sees all jobs, everybody else their own.
    """

    queryset = Job.objects.all()
    required: ClassVar = dict.fromkeys(("list", "retrieve", "events", "cancel", "retry"), OWN)

    def get_queryset(self) -> QuerySet[Job]:
        """Narrow to what the caller may see."""
        rows = cast("JobQuerySet", super().get_queryset())
        if getattr(self, "swagger_fake_view", False):  # the schema is built without a caller
            return rows
        return rows.visible_to(self.caller.actor, self.caller.permissions)

    @documented(query=filter_query(JobFilter), answers=page_of(JobSerializer))
    def list(self, _request: Request) -> Response:
        """List jobs, newest first."""
        jobs, query = self.filtered(JobFilter)
        return self.page(jobs, query, JobSerializer().to_representation)

    @documented(answers=JobSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show how far a job is, and what came of it."""
        return Response(JobSerializer(self.get_object()).data)

    @documented(query=PageQuery, answers=page_of(JobEventSerializer))
    def events(self, _request: Request, **_ids: UUID) -> Response:
        """List what happened to a job, newest first; the newest 200 are kept."""
        job = self.get_object()
        events = JobEvent.objects.filter(org=job.org_id, job=job)
        query = self.read_query(PageQuery)
        return self.page(events, query, JobEventSerializer().to_representation)

    @documented(takes=Reason, answers=JobSerializer, refuses={409: ["JOB_FINISHED"]})
    def cancel(self, request: Request, **_ids: UUID) -> Response:
        """Stop a job: at once while it waits, else within seconds. What was done stays done."""
        job = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        job = services.cancel_job(job=job, actor=self.caller.actor, reason=reason)
        return Response(JobSerializer(job).data)

    @documented(takes=Reason, answers=JobSerializer, refuses=REFUSED_AGAIN)
    def retry(self, request: Request, **_ids: UUID) -> Response:
        """Have a job tried again that failed, was cancelled, or went through only in part."""
        job = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        job = services.retry_job(
            job=job, actor=self.caller.actor, held=self.caller.permissions, reason=reason
        )
        return Response(JobSerializer(job).data)


def accepted(job: Job) -> Response:
    """Answer 202: the work goes on in this job, whose address is in `Location`."""
    headers = {"Location": f"/api/v1/jobs/{job.pk}"}
    return Response(JobSerializer(job).data, status=202, headers=headers)
