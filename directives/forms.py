"""The form that makes a new version of a directive."""

from typing import Any

from django import forms

from directives.models import MAX_BYTES, Directive

MODES = [
    (Directive.InjectionMode.SYSTEM_FIRST, "As the first system message"),
    (Directive.InjectionMode.SYSTEM_APPEND, "After the client's own system message"),
    (Directive.InjectionMode.USER_PREPEND, "Before the user's message"),
]
NEVER_PUSHED = 0


class DirectiveForm(forms.Form):
    """The whole text, where it goes and why it changes.

    `base_version` is the version that the operator began from; 0 when there was none.
    """

    content = forms.CharField(
        label="Text",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "true", "dir": "auto"}),
    )
    injection_mode = forms.ChoiceField(label="Where it goes", choices=MODES)
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
    base_version = forms.IntegerField(min_value=NEVER_PUSHED, widget=forms.HiddenInput)
    copied_from = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    @property
    def size(self) -> int:
        """The bytes of the text as it stands in the form."""
        return len(unified(str(self["content"].value() or "")).encode("utf-8", "replace"))

    def clean_content(self) -> str:
        """Take line ends as they were, and refuse what is empty or too long."""
        content = unified(str(self.cleaned_data["content"]))
        if not content.strip():
            raise forms.ValidationError("A directive says something.")
        if (size := len(content.encode())) > MAX_BYTES:
            words = f"A directive has at most {MAX_BYTES:,} bytes; this one has {size:,}."
            raise forms.ValidationError(words)
        return content


def unified(text: str) -> str:
    r"""Undo what browsers do to line ends: they send `\r\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
