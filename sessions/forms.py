"""What a list of sessions is narrowed by, and where a conversation is opened."""

from typing import Any

from django import forms
from django.db.models import Q

from orgs.models import OrgQuerySet
from sessions.beside import Place
from sessions.models import Session

MAX_INDEX = 2**31 - 1


class SessionFilterForm(forms.Form):
    """Name, subject and status; an invalid filter narrows nothing and says why."""

    q = forms.CharField(
        label="Name or subject",
        required=False,
        max_length=128,
        widget=forms.TextInput(
            attrs={
                "type": "search",
                "placeholder": "Session or subject, exactly",
                "autocomplete": "off",
            }
        ),
    )
    status = forms.ChoiceField(required=False, choices=[("", "Any"), *Session.Status.choices])

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        self.usable = self.is_valid()

    @property
    def is_narrowed(self) -> bool:
        """Whether anything was asked for."""
        return any(self.data.get(name) for name in self.fields)

    def narrow(self, sessions: OrgQuerySet[Session]) -> OrgQuerySet[Session]:
        """Keep the sessions that match what was asked for."""
        if not self.usable:
            return sessions
        if words := self.cleaned_data["q"]:
            sessions = sessions.filter(Q(external_id=words) | Q(subject=words))
        if status := self.cleaned_data["status"]:
            sessions = sessions.filter(status=status)
        return sessions


class PlaceForm(forms.Form):
    """Where in a conversation to look, how to show it, and what to look for in it."""

    begin = forms.IntegerField(required=False, min_value=0, max_value=MAX_INDEX)
    before = forms.IntegerField(required=False, min_value=0, max_value=MAX_INDEX)
    raw = forms.IntegerField(required=False, min_value=0, max_value=MAX_INDEX)
    turn = forms.IntegerField(required=False, min_value=0, max_value=MAX_INDEX)
    view = forms.ChoiceField(required=False, choices=[("", "Rendered"), ("raw", "Raw")])
    q = forms.CharField(required=False, max_length=200)
    found_from = forms.IntegerField(required=False, min_value=0, max_value=MAX_INDEX)

    @property
    def place(self) -> Place:
        """Where the page begins or ends, once the form is valid."""
        said = self.cleaned_data
        return Place(said["begin"], said["before"], said["raw"], said["view"] == "raw")


class TailForm(forms.Form):
    """What a page that follows a session has seen of it."""

    after = forms.IntegerField(min_value=-1, max_value=MAX_INDEX)
    status = forms.ChoiceField(choices=Session.Status.choices)
    paused = forms.BooleanField(required=False)


class CompareForm(forms.Form):
    """Whether to ask a turn's question again, and which memory to leave out."""

    compare = forms.BooleanField(required=False)
    without = forms.UUIDField(required=False)

    @property
    def compares(self) -> bool:
        """Whether a comparison was asked for."""
        return bool(self.cleaned_data["compare"] or self.cleaned_data["without"])
