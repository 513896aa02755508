"""Routes of organizations and the overview."""

from django.urls import path

from orgs import shell, token_views, views

urlpatterns = [
    path("settings/tokens/", token_views.tokens, name="tokens"),
    path("settings/tokens/new/", token_views.new_token, name="new-token"),
    path("settings/tokens/<uuid:token_id>/revoke/", token_views.revoke_token, name="revoke-token"),
    path("organizations/", views.organizations, name="organizations"),
    path("palette/", shell.palette, name="palette"),
    path("help/", shell.help_page, name="help"),
    path("", views.overview, name="overview"),
]
