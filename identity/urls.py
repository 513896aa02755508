"""Routes of signing in, and of an operator's own settings.

allauth's views under the names that allauth asks for; what is not listed here does not exist.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as socialaccount
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.urls import include, path, re_path

from identity import views
from identity.doors import door, own_settings, reset_password, sign_in, sign_in_elsewhere

passwords = [
    path("change/", door(account.password_change), name="account_change_password"),
    path("set/", door(account.password_set), name="account_set_password"),
    path("reset/", reset_password, name="account_reset_password"),
    path("reset/done/", door(account.password_reset_done), name="account_reset_password_done"),
    re_path(
        r"^reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        door(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "reset/changed/",
        door(account.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
]

second_factor = [
    path("", door(mfa.authenticate), name="mfa_authenticate"),
    path("confirm/", door(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("required/", views.second_factor_required, name="second-factor-required"),
    path("settings/", own_settings, name="mfa_index"),
    path("app/", door(totp.activate_totp), name="mfa_activate_totp"),
    path("app/remove/", door(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("codes/", door(recovery_codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path(
        "codes/new/",
        door(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "codes/download/",
        door(recovery_codes.download_recovery_codes),
        name="mfa_download_recovery_codes",
    ),
]

passkeys = [
    path("", own_settings, name="mfa_list_webauthn"),
    path("sign-in/", door(webauthn.login_webauthn), name="mfa_login_webauthn"),
    path("add/", door(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("confirm/", door(webauthn.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("<int:pk>/rename/", door(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("<int:pk>/remove/", door(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
]

single_sign_on = [
    path("<str:provider_id>/", sign_in_elsewhere, name="openid_connect_login"),
    path("<str:provider_id>/back/", door(openid_connect.callback), name="openid_connect_callback"),
]

accounts = [
    path("sign-in/", sign_in, name="account_login"),
    path("sign-out/", door(account.logout), name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", door(account.reauthenticate), name="account_reauthenticate"),
    path("password/", include(passwords)),
    path("second-factor/", include(second_factor)),
    path("passkeys/", include(passkeys)),
    path("sso-cancelled/", socialaccount.login_cancelled, name="socialaccount_login_cancelled"),
    path("sso-failed/", socialaccount.login_error, name="socialaccount_login_error"),
    path("sso/", include(single_sign_on)),
]

urlpatterns = [
    path("accounts/", include(accounts)),
    path("settings/me/", views.me, name="me"),
    path("settings/me/theme/", views.choose_theme, name="choose-theme"),
    path("settings/me/devices/<int:device_id>/end/", views.end_device, name="end-device"),
    path("settings/me/devices/end-others/", views.end_other_devices, name="end-other-devices"),
    path("settings/lockouts/", views.lockout_list, name="lockouts"),
    path("settings/lockouts/<int:lockout_id>/lift/", views.lift_lockout, name="lift-lockout"),
]
