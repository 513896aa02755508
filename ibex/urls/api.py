"""Routes of the role `api`: the management API."""

from django.urls import path

from agents.api import AgentViewSet

urlpatterns = [
    path("api/v1/agents", AgentViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "api/v1/agents/<uuid:pk>",
        AgentViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
    ),
    path("api/v1/agents/<uuid:pk>/activate", AgentViewSet.as_view({"post": "activate"})),
    path("api/v1/agents/<uuid:pk>/pause", AgentViewSet.as_view({"post": "pause"})),
    path("api/v1/agents/<uuid:pk>/archive", AgentViewSet.as_view({"post": "archive"})),
]

handler400 = "ibex.api_errors.bad_request"
handler403 = "ibex.api_errors.forbidden"
handler404 = "ibex.api_errors.route_not_found"
handler500 = "ibex.api_errors.server_error"
