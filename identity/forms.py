"""The forms of signing in, second factors, and an operator's own settings."""

import functools
from typing import Any
from zoneinfo import available_timezones

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as BaseChangePasswordForm
from allauth.account.forms import LoginForm, ResetPasswordKeyForm
from allauth.account.forms import ReauthenticateForm as ReauthenticateByPasswordForm
from allauth.account.forms import ResetPasswordForm as BaseResetPasswordForm
from allauth.account.forms import SetPasswordForm as BaseSetPasswordForm
from allauth.core import context
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.core.cache import cache
from django.http import HttpRequest

from identity import lockouts
from orgs.models import Operator

REGIONS = (
    *("Africa", "America", "Antarctica", "Asia", "Atlantic"),
    *("Australia", "Europe", "Indian", "Pacific"),
)


class PlainMixin:
    """Labels alone: a placeholder that repeats its label is gone when it would help."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class ChangePasswordForm(PlainMixin, BaseChangePasswordForm):
    """The current password, and a new one twice."""


class SetPasswordForm(PlainMixin, BaseSetPasswordForm):
    """A first password, twice."""


class NewPasswordForm(PlainMixin, ResetPasswordKeyForm):
    """A new password, twice, for whoever has the link."""


class ConfirmByPasswordForm(PlainMixin, ReauthenticateByPasswordForm):
    """The password that proves that the operator is still there."""


class SetUpAppForm(PlainMixin, ActivateTOTPForm):
    """The first code of a new authenticator app."""


class SignInForm(LoginForm):
    """Address and password. One sentence for every refusal: it never says who has an account."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        address, password = self.fields["login"], self.fields["password"]
        address.label = "Email address"
        address.widget.attrs = {"autocomplete": "username", "autofocus": True}
        password.widget.attrs = {"autocomplete": "current-password"}
        password.help_text = ""


class ResetPasswordForm(BaseResetPasswordForm):
    """An address to send a link to. Mail goes out for any address, so none can be guessed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "Email address"
        self.fields["email"].widget.attrs = {"autocomplete": "username", "autofocus": True}

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the link, or say in the mail that nobody here has this address."""
        if self.users:
            return str(super().save(request, **kwargs))
        email: str = self.cleaned_data["email"]
        get_adapter().send_mail("account/email/unknown_account", email, {})
        return email


class CodeMixin(forms.Form):
    """A code of the app, or a recovery code: each works once, and wrong ones lock out."""

    user: Operator

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code"
        self.fields["code"].widget.attrs = {
            "autocomplete": "one-time-code",
            "autofocus": True,
            "spellcheck": "false",
        }

    def clean_code(self) -> str:
        """Check the code, unless too many were wrong; a code that was right once is wrong now."""
        request = context.request
        if lockouts.is_locked(request, self.user.email):
            request.axes_locked_out = True  # axes' middleware answers with the lockout's page
            raise forms.ValidationError("Too many attempts.")
        code: str = super().clean_code()  # type: ignore[misc]
        valid_s = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        if not cache.add(f"used:{self.user.pk}:{code.replace(' ', '')}", "y", timeout=valid_s):
            raise get_mfa_adapter().validation_error("incorrect_code")
        return code


class SecondFactorForm(CodeMixin, AuthenticateForm):
    """The second step of signing in."""


class ConfirmByCodeForm(CodeMixin, ReauthenticateForm):
    """A code that proves that the operator is still there."""


class AddPasskeyForm(AddWebAuthnForm):
    """A name for the new passkey, and whether it alone is enough to sign in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = "How you will recognise it, such as “Work laptop”."
        self.fields["passwordless"].label = "Sign in with this passkey alone"
        self.fields["passwordless"].initial = True
        self.fields[
            "passwordless"
        ].help_text = (
            "It then asks for a fingerprint, a face or its PIN, and no password is needed."
        )


@functools.cache
def zones() -> list[str]:
    """List the time zones that people live in, by name; UTC first."""
    named = (name for name in available_timezones() if name.partition("/")[0] in REGIONS)
    return ["UTC", *sorted(named)]


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an operator chooses for themselves."""

    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in zones()],
        help_text="Times are shown in it everywhere; pointing at one shows UTC.",
    )

    class Meta:
        model = Operator
        fields = ["name", "theme", "density", "time_zone", "shortcuts"]
        widgets = {"theme": forms.RadioSelect, "density": forms.RadioSelect}
        help_texts = {"shortcuts": "Single keys such as / and j work outside of text fields."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs = {"autocomplete": "name"}


class ThemeForm(forms.ModelForm):  # type: ignore[type-arg]
    """The theme alone, as the menu of every page sends it."""

    class Meta:
        model = Operator
        fields = ["theme"]
