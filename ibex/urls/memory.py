"""Routes of the role `memory`: the API that agents call."""

from django.urls import path

from memories.api.own import AgentMemoryViewSet

urlpatterns = [
    path("v1/memories", AgentMemoryViewSet.as_view({"get": "list", "post": "create"})),
    path("v1/memories/search", AgentMemoryViewSet.as_view({"post": "search"})),
    path(
        "v1/memories/<uuid:pk>",
        AgentMemoryViewSet.as_view(
            {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
        ),
    ),
    path("v1/memories/<uuid:pk>/feedback", AgentMemoryViewSet.as_view({"post": "feedback"})),
]

handler400 = "ibex.api_errors.bad_request"
handler403 = "ibex.api_errors.forbidden"
handler404 = "ibex.api_errors.route_not_found"
handler500 = "ibex.api_errors.server_error"
