"""The forms of a new token, and of one that replaces another."""

import re
from typing import Any
from uuid import UUID

from django import forms

from agents.models import Agent
from ibex.ids import uuid7
from orgs.permissions import BY_API_NAME, CHAT, GROUPS, WORDS, Permission, api_name, api_names
from orgs.rotation import Grace

SEPARATORS = re.compile(r"[\s,;]+")
MAX_AGENTS = 200


class TokenForm(forms.Form):
    """A token offers what its maker holds, no more. `token_id` makes a doubled request harmless."""

    token_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid7)
    name = forms.CharField(max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    permissions = forms.MultipleChoiceField(
        choices=[(name, WORDS[bit]) for name, bit in BY_API_NAME.items()],
        initial=api_names(CHAT),
        error_messages={"required": "A token without any permission opens nothing."},
    )
    agent = forms.TypedChoiceField(required=False, coerce=UUID, empty_value=None)
    expires_at = forms.DateTimeField(
        label="Expires",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    allowed_ips = forms.CharField(
        label="Allowed addresses",
        required=False,
        max_length=5_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    reason = forms.CharField(required=False, max_length=500)

    def __init__(self, *args: Any, agents: list[Agent], held: Permission, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.held = held
        choices = [("", "Any agent"), *((agent.pk, agent.name) for agent in agents)]
        self.fields["agent"].choices = choices  # type: ignore[attr-defined]

    def clean_permissions(self) -> Permission:
        """Join the chosen names to bits."""
        bits = Permission(0)
        for name in self.cleaned_data["permissions"]:
            bits |= BY_API_NAME[name]
        return bits

    def clean_allowed_ips(self) -> list[str]:
        """Split what was typed at spaces, commas and lines."""
        return [text for text in SEPARATORS.split(self.cleaned_data["allowed_ips"]) if text]

    @property
    def groups(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The permissions by what they are about, each with whether it is held and chosen."""
        chosen = set(self["permissions"].value() or [])
        return [
            (title, [self._box(bit, chosen) for bit in WORDS if bit & bits])
            for title, bits in GROUPS
        ]

    def _box(self, bit: Permission, chosen: set[str]) -> dict[str, Any]:
        name, is_held = api_name(bit), bool(bit & self.held)
        return {
            "name": name,
            "words": WORDS[bit],
            "is_held": is_held,
            "is_chosen": is_held and name in chosen,
        }


class RotationForm(forms.Form):
    """How long the old token still works, and why it is replaced."""

    grace = forms.ChoiceField(
        choices=Grace.choices, initial=Grace.DAY, widget=forms.RadioSelect, label="The old token"
    )
    reason = forms.CharField(required=False, max_length=500)
