"""Routes of organizations and the overview."""

from django.urls import path

from orgs import audit_views, shell, token_views, views

urlpatterns = [
    path("audit/", audit_views.audit, name="audit"),
    path("settings/tokens/", token_views.tokens, name="tokens"),
    path("settings/tokens/new/", token_views.new_token, name="new-token"),
    path("settings/tokens/<uuid:token_id>/revoke/", token_views.revoke_token, name="revoke-token"),
    path("organizations/", views.organizations, name="organizations"),
    path("palette/", shell.palette, name="palette"),
    path("views/save/", shell.save_list_view, name="save-view"),
    path("views/<uuid:view_id>/delete/", shell.delete_list_view, name="delete-view"),
    path("help/", shell.help_page, name="help"),
    path("setup/first-request/", views.first_request, name="first-request"),
    path("setup/hide/", views.hide_first_run, name="hide-first-run"),
    path("", views.overview, name="overview"),
]
