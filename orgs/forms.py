"""The console's forms: signing in, and what a list of memories is narrowed by."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from memories.models import Memory, MemoryQuerySet

WRONG = "The address or the password is not right."


class SignInForm(AuthenticationForm):
    """Address and password. One sentence for every refusal: it never says who has an account."""

    username = forms.EmailField(
        label="Email address",
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    error_messages = {"invalid_login": WRONG, "inactive": WRONG}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class MemoryFilterForm(forms.Form):
    """Text and status; an invalid filter narrows nothing and says why."""

    q = forms.CharField(label="Text", required=False, max_length=200)
    status = forms.ChoiceField(
        required=False, choices=[("", "Any status"), *Memory.Status.choices], initial=""
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def narrow(self, memories: MemoryQuerySet) -> MemoryQuerySet:
        """Keep the memories that match what was asked for."""
        if not self.is_valid():
            return memories
        if text := self.cleaned_data["q"]:
            memories = memories.filter(content__icontains=text)
        if status := self.cleaned_data["status"]:
            memories = memories.filter(status=status)
        return memories
