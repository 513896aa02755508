"""The form of signing in."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

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
