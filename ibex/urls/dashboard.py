"""Routes of the role `dashboard`: the operators' console."""

from django.urls import include, path

urlpatterns = [
    path("", include("orgs.urls")),
    path("", include("agents.urls")),
    path("", include("memories.urls")),
    path("", include("sessions.urls")),
    path("", include("directives.urls")),
]
