"""Where a conversation is opened, what is looked for in it, and what is compared."""

from django import forms

from sessions.beside import Place
from sessions.models import Session

MAX_INDEX = 2**31 - 1


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
