"""Routes of signing in, organizations and the overview."""

from django.urls import path

from orgs import shell, views

urlpatterns = [
    path("accounts/sign-in/", views.sign_in, name="sign-in"),
    path("accounts/sign-out/", views.sign_out, name="sign-out"),
    path("organizations/", views.organizations, name="organizations"),
    path("palette/", shell.palette, name="palette"),
    path("help/", shell.help_page, name="help"),
    path("", views.overview, name="overview"),
]
