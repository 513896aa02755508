"""Routes of the role `api`: the management API."""

from django.urls import include, path

from agents.api import AgentViewSet
from directives.api import DirectiveDraftViewSet, DirectiveVersionViewSet, DirectiveViewSet
from ibex.api_docs import api_docs, openapi_document
from ibex.status.api import StatusViewSet
from jobs.api import JobViewSet
from memories.api.dead_letters import DeadLetterViewSet
from memories.api.org import MemoriesOfAgentViewSet, OrgMemoryViewSet
from orgs.api import TokenViewSet
from orgs.audit_api import AuditViewSet
from orgs.member_api import InvitationViewSet, MemberViewSet, OrganizationViewSet
from sessions.api import ArchiveDownload, SessionViewSet

agents = [
    path("agents", AgentViewSet.as_view({"get": "list", "post": "create"})),
    path("agents/<uuid:pk>", AgentViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("agents/<uuid:pk>/stats", AgentViewSet.as_view({"get": "stats"})),
    path("agents/<uuid:pk>/activate", AgentViewSet.as_view({"post": "activate"})),
    path("agents/<uuid:pk>/pause", AgentViewSet.as_view({"post": "pause"})),
    path("agents/<uuid:pk>/archive", AgentViewSet.as_view({"post": "archive"})),
    path("agents/<uuid:agent_id>/memories", MemoriesOfAgentViewSet.as_view({"get": "list"})),
    path(
        "agents/<uuid:agent_id>/memories/search", MemoriesOfAgentViewSet.as_view({"post": "search"})
    ),
]

directive = [
    path(
        "agents/<uuid:agent_id>/directive",
        DirectiveViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path(
        "agents/<uuid:agent_id>/directive/draft",
        DirectiveDraftViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
    ),
    path(
        "agents/<uuid:agent_id>/directive/versions",
        DirectiveVersionViewSet.as_view({"get": "list"}),
    ),
    path(
        "agents/<uuid:agent_id>/directive/versions/<int:number>",
        DirectiveVersionViewSet.as_view({"get": "retrieve"}),
    ),
    path(
        "agents/<uuid:agent_id>/directive/versions/<int:number>/copy",
        DirectiveVersionViewSet.as_view({"post": "copy"}),
    ),
    path("agents/<uuid:agent_id>/directive/diff", DirectiveVersionViewSet.as_view({"get": "diff"})),
    path("agents/<uuid:agent_id>/directive/push", DirectiveViewSet.as_view({"post": "push"})),
    path(
        "agents/<uuid:agent_id>/directive/rollback", DirectiveViewSet.as_view({"post": "rollback"})
    ),
    path(
        "agents/<uuid:agent_id>/directive/pushes/<int:number>",
        DirectiveViewSet.as_view({"get": "push_status"}),
    ),
    path(
        "agents/<uuid:agent_id>/directive/pushes/<int:number>/retry",
        DirectiveViewSet.as_view({"post": "retry_push"}),
    ),
]

memories = [
    path("memories", OrgMemoryViewSet.as_view({"get": "list", "post": "create"})),
    path("memories/search", OrgMemoryViewSet.as_view({"post": "search"})),
    path("memories/bulk", OrgMemoryViewSet.as_view({"post": "bulk"})),
    path(
        "memories/<uuid:pk>",
        OrgMemoryViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
    ),
    *[
        path(f"memories/<uuid:pk>/{action}", OrgMemoryViewSet.as_view({method: action}))
        for method, action in (
            ("get", "versions"),
            ("get", "related"),
            ("post", "feedback"),
            ("post", "quarantine"),
            ("post", "review"),
        )
    ],
    path("memories/<uuid:pk>/archive", OrgMemoryViewSet.as_view({"post": "archive"})),
    path("memories/<uuid:pk>/restore", OrgMemoryViewSet.as_view({"post": "restore"})),
]

dead_letters = [
    path("dead-letters", DeadLetterViewSet.as_view({"get": "list"})),
    path("dead-letters/retry", DeadLetterViewSet.as_view({"post": "retry_many"})),
    path("dead-letters/<uuid:pk>/retry", DeadLetterViewSet.as_view({"post": "retry"})),
]

jobs = [
    path("jobs", JobViewSet.as_view({"get": "list"})),
    path("jobs/<uuid:pk>", JobViewSet.as_view({"get": "retrieve"})),
    path("jobs/<uuid:pk>/events", JobViewSet.as_view({"get": "events"})),
    path("jobs/<uuid:pk>/cancel", JobViewSet.as_view({"post": "cancel"})),
    path("jobs/<uuid:pk>/retry", JobViewSet.as_view({"post": "retry"})),
]

sessions = [
    path("sessions", SessionViewSet.as_view({"get": "list"})),
    path("sessions/<uuid:pk>", SessionViewSet.as_view({"get": "retrieve"})),
    path("sessions/<uuid:pk>/turns", SessionViewSet.as_view({"get": "turns"})),
    path("sessions/<uuid:pk>/terminate", SessionViewSet.as_view({"post": "terminate"})),
    path("sessions/<uuid:pk>/archive-url", SessionViewSet.as_view({"post": "archive_url"})),
    path("archives/<str:signed>", ArchiveDownload.as_view()),
]

tokens = [
    path("tokens", TokenViewSet.as_view({"get": "list", "post": "create"})),
    path("tokens/<uuid:pk>", TokenViewSet.as_view({"get": "retrieve"})),
    path("tokens/<uuid:pk>/rotate", TokenViewSet.as_view({"post": "rotate"})),
    path("tokens/<uuid:pk>/revoke", TokenViewSet.as_view({"post": "revoke"})),
]

members = [
    path("members", MemberViewSet.as_view({"get": "list"})),
    path(
        "members/<uuid:pk>",
        MemberViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("members/<uuid:pk>/suspend", MemberViewSet.as_view({"post": "suspend"})),
    path("members/<uuid:pk>/unsuspend", MemberViewSet.as_view({"post": "unsuspend"})),
    path("members/<uuid:pk>/sign-out", MemberViewSet.as_view({"post": "sign_out"})),
    path("invitations", InvitationViewSet.as_view({"get": "list", "post": "create"})),
    path("invitations/<uuid:pk>/resend", InvitationViewSet.as_view({"post": "resend"})),
    path("invitations/<uuid:pk>/withdraw", InvitationViewSet.as_view({"post": "withdraw"})),
    path(
        "organization",
        OrganizationViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
]

status = [path("status", StatusViewSet.as_view({"get": "retrieve"}))]

audit = [path("audit", AuditViewSet.as_view({"get": "list"}))]

everything = [
    *agents,
    *audit,
    *dead_letters,
    *directive,
    *jobs,
    *members,
    *memories,
    *sessions,
    *status,
    *tokens,
]

urlpatterns = [
    path("api/docs/", api_docs, name="api-docs"),
    path("api/openapi.json", openapi_document, name="openapi-document"),
    path("api/v1/", include(everything)),
]

handler400 = "ibex.api_errors.bad_request"
handler403 = "ibex.api_errors.forbidden"
handler404 = "ibex.api_errors.route_not_found"
handler500 = "ibex.api_errors.server_error"
