"""The forms of inviting, joining, and the organization's settings."""

from typing import Any, Self

from django import forms

from ibex.forms import ReasonForm, SettingsForm
from ibex.versions import version_of
from orgs.members import may_give
from orgs.models import Membership, Organization
from orgs.permissions import Permission


class InviteForm(forms.Form):
    """An address and a role, as far as the inviter may give one."""

    email = forms.EmailField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(choices=Membership.Role.choices, initial=Membership.Role.MEMBER)
    reason = forms.CharField(required=False, max_length=500)

    def __init__(self, *args: Any, held: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.fields["role"].choices = may_give(held)  # type: ignore[attr-defined]


class RoleForm(ReasonForm):
    """A role, and why; a reason may be left out, for a role is given back as easily."""

    role = forms.ChoiceField(choices=Membership.Role.choices)
    reason = forms.CharField(required=False, max_length=500)


class JoinForm(forms.Form):
    """What a newcomer says about themselves; the rules for passwords are the service's."""

    name = forms.CharField(max_length=255, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        strip=False,
        max_length=1_000,
        help_text="At least 12 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class OrganizationForm(forms.ModelForm, SettingsForm):  # type: ignore[type-arg]  # not at run time
    """The organization's settings, and why they change."""

    reason = forms.CharField(required=False, max_length=500)

    class Meta:
        model = Organization
        fields = [
            "name",
            "data_retention_days",
            "memory_extraction_enabled",
            "mfa_required",
            "rpm",
            "monthly_token_budget",
        ]
        labels = {
            "data_retention_days": "Days that sessions are kept",
            "memory_extraction_enabled": "Agents learn from conversations",
            "mfa_required": "Every member needs a second factor",
            "rpm": "Requests a minute, all agents",
            "monthly_token_budget": "Tokens a month, all agents",
        }

    @classmethod
    def of(cls, org: Organization, sent: Any = None) -> Self:
        """Show how an organization is set, or read what was sent to change it."""
        version = {"base_version": version_of(org.updated_at)}
        return cls(sent, instance=org, initial=version, label_suffix="")
