"""Routes of organizations and the overview."""

from django.urls import path

from orgs import shell, views

urlpatterns = [
    path("organizations/", views.organizations, name="organizations"),
    path("palette/", shell.palette, name="palette"),
    path("help/", shell.help_page, name="help"),
    path("", views.overview, name="overview"),
]
