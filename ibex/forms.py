"""What the console's forms share: why something changes, and what was seen when it was changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict

from ibex.versions import version_of


class ReasonForm(forms.Form):
    """Why an operator changes something; kept in the audit."""

    reason = forms.CharField(max_length=500)


@dataclass(frozen=True)
class Difference:
    """One setting that somebody else changed while a form was open, in words."""

    label: str
    seen: str
    stored: str


class SettingsForm(forms.Form):
    """Settings that somebody else may change while the form is open.

    It carries the version it was made from and, beside each field, the value it showed. Only what
    the operator changed is written, so an old form takes back nothing.
    """

    base_version = forms.CharField(max_length=40, widget=forms.HiddenInput)
    about_the_change = frozenset({"base_version", "reason"})
    """The fields that are no settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for bound in self.settings:
            bound.field.show_hidden_initial = True

    @property
    def settings(self) -> list[BoundField]:
        """The fields that say how something is set."""
        return [bound for bound in self if bound.name not in self.about_the_change]

    def changes(self) -> dict[str, Any]:
        """Return what the operator made different from what the form showed."""
        changed = set(self.changed_data)
        return {
            bound.name: self.cleaned_data[bound.name]
            for bound in self.settings
            if bound.name in changed
        }

    def differences(self, stored: Mapping[str, Any]) -> list[Difference]:
        """Compare what the form showed with what is `stored` now."""
        compared = (
            Difference(
                str(bound.label), _words(bound, _seen(bound)), _words(bound, stored[bound.name])
            )
            for bound in self.settings
        )
        return [one for one in compared if one.seen != one.stored]

    def rebased(self, stored: Mapping[str, Any], version: datetime) -> QueryDict:
        """Return what was sent, on top of what is `stored` now: the operator's changes are kept."""
        sent = cast("QueryDict", self.data).copy()
        sent["base_version"] = version_of(version)
        for bound in self.settings:
            text = "" if stored[bound.name] is None else str(stored[bound.name])
            sent[bound.html_initial_name] = text
            if bound.name not in self.changed_data:
                sent[bound.html_name] = text
        return sent


def _seen(bound: BoundField) -> Any:
    """Return the value that the form showed; what was sent in its place may be anything."""
    sent = bound.form.data.get(bound.html_initial_name)
    try:
        return bound.field.to_python(sent)
    except forms.ValidationError:
        return sent


def _words(bound: BoundField, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    labels = {str(key): str(label) for key, label in getattr(bound.field, "choices", ())}
    text = "" if value is None else str(value)
    return labels.get(text, text).replace("\r\n", "\n").strip() or "empty"
