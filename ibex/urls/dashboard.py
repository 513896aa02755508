"""Routes of the role `dashboard`: the operators' console."""

from django.urls import include, path

from ibex.demo.views import demo, remove_demo
from ibex.status.views import status
from sessions.api import ArchiveDownload

urlpatterns = [
    # A link to an archive in the local folder is a path; it must lead somewhere on this host too.
    path("api/v1/archives/<str:signed>", ArchiveDownload.as_view()),
    path("", include("identity.urls")),
    path("", include("orgs.urls")),
    path("", include("agents.urls")),
    path("", include("memories.urls")),
    path("", include("sessions.urls")),
    path("", include("directives.urls")),
    path("", include("jobs.urls")),
    path("demo/", demo, name="demo"),
    path("demo/remove/", remove_demo, name="remove-demo"),
    path("status/", status, name="status"),
]
