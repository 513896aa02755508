"""Routes of organizations and the overview."""

from django.urls import path

from orgs import audit_views, member_views, shell, token_views, views

urlpatterns = [
    path("audit/", audit_views.audit, name="audit"),
    path("audit/<uuid:event_id>/", audit_views.audit_event, name="audit-event"),
    path(
        "settings/organization/", member_views.organization_settings, name="organization-settings"
    ),
    path("settings/members/", member_views.members, name="members"),
    path("settings/members/invite/", member_views.invite, name="invite"),
    path("settings/members/<uuid:membership_id>/", member_views.member, name="member"),
    path(
        "settings/members/<uuid:membership_id>/role/", member_views.change_role, name="change-role"
    ),
    path(
        "settings/members/<uuid:membership_id>/suspend/",
        member_views.suspend_member,
        name="suspend-member",
    ),
    path(
        "settings/members/<uuid:membership_id>/unsuspend/",
        member_views.unsuspend_member,
        name="unsuspend-member",
    ),
    path(
        "settings/members/<uuid:membership_id>/sign-out/",
        member_views.sign_out_member,
        name="sign-out-member",
    ),
    path(
        "settings/members/<uuid:membership_id>/remove/",
        member_views.remove_member,
        name="remove-member",
    ),
    path(
        "settings/invitations/<uuid:invitation_id>/resend/",
        member_views.resend_invitation,
        name="resend-invitation",
    ),
    path(
        "settings/invitations/<uuid:invitation_id>/withdraw/",
        member_views.withdraw_invitation,
        name="withdraw-invitation",
    ),
    path("invitations/<str:secret>/", member_views.accept_invitation, name="accept-invitation"),
    path("settings/tokens/", token_views.tokens, name="tokens"),
    path("settings/tokens/new/", token_views.new_token, name="new-token"),
    path("settings/tokens/<uuid:token_id>/", token_views.token, name="token"),
    path("settings/tokens/<uuid:token_id>/rotate/", token_views.rotate_token, name="rotate-token"),
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
