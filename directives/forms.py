"""The forms of a directive: what is being written, and why it is pushed."""

from typing import Any, cast
from uuid import UUID

from django import forms

from directives.models import MAX_DRAFT_BYTES, MAX_REASON, NEVER_PUSHED, Directive

MODES = [
    (Directive.InjectionMode.SYSTEM_FIRST, "As the first system message"),
    (Directive.InjectionMode.SYSTEM_APPEND, "After the client's own system message"),
    (Directive.InjectionMode.USER_PREPEND, "Before the user's message"),
]
MODE_WORDS = {str(mode): words for mode, words in MODES}


class OnDraftForm(forms.Form):
    """A form on one's own draft: `revision` is the save that the window shows, 0 for none.

    `draft` says of which draft it was: after a push or a discard another one counts anew.
    """

    draft = forms.UUIDField(required=False, widget=forms.HiddenInput)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class DraftForm(OnDraftForm):
    """The text as it stands in the editor.

    `base_version` is the version that the operator began from, 0 when there was none; `merged` is
    the later one that they have taken into account.
    `base_mode` is where the text went when the window was opened: only another choice is a change.
    """

    content = forms.CharField(
        label="Text",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 18, "spellcheck": "true", "dir": "auto", "autocomplete": "off"}
        ),
    )
    injection_mode = forms.ChoiceField(label="Where it goes", choices=MODES)
    base_mode = forms.ChoiceField(choices=MODES, widget=forms.HiddenInput)
    base_version = forms.IntegerField(min_value=NEVER_PUSHED, widget=forms.HiddenInput)
    merged = forms.IntegerField(min_value=1, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    @property
    def text(self) -> str:
        """The text as it stands in the form."""
        return unified(str(self["content"].value() or ""))

    @property
    def size(self) -> int:
        """The bytes of that text."""
        return len(self.text.encode("utf-8", "replace"))

    def clean_content(self) -> str:
        """Take line ends as they were, and refuse what is too long even for a draft."""
        content = unified(str(self.cleaned_data["content"]))
        if (size := len(content.encode())) > MAX_DRAFT_BYTES:
            words = f"A draft has at most {MAX_DRAFT_BYTES:,} bytes; this one has {size:,}."
            raise forms.ValidationError(words)
        return content

    def said(self) -> dict[str, Any]:
        """Return what `save_draft` takes."""
        data = self.cleaned_data
        chosen = data["injection_mode"]
        return {
            "content": data["content"],
            "base_version": data["merged"] or data["base_version"],
            "injection_mode": chosen if chosen != data["base_mode"] else None,
            "draft_id": data["draft"],
            "revision": data["revision"],
        }


class CopyVersionForm(OnDraftForm):
    """A copy of a version, written on top of the one that was active on the page; 0 for none."""

    base_version = forms.IntegerField(min_value=NEVER_PUSHED, widget=forms.HiddenInput)


class FindAgentForm(forms.Form):
    """Words of the name of the agent that one looks for; empty looks for none."""

    name = forms.CharField(max_length=255, required=False)


class CopyToAgentForm(OnDraftForm):
    """A copy of a version as one's own draft for another agent; without a revision, the first."""

    agent = forms.UUIDField()
    revision = forms.IntegerField(min_value=0, required=False, widget=forms.HiddenInput)

    @property
    def agent_id(self) -> UUID | None:
        """The agent that was chosen."""
        return cast("UUID | None", self.cleaned_data.get("agent"))

    def said(self) -> dict[str, Any]:
        """Return which save `copy_version` replaces."""
        data = self.cleaned_data
        return {"draft_id": data["draft"], "revision": data["revision"] or 0}


class WhyForm(forms.Form):
    """Why something about a directive is done: required, and kept in the audit."""

    reason = forms.CharField(max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)


class PushForm(WhyForm, OnDraftForm):
    """The push of the draft that was reviewed, as it was then."""


class RollBackForm(WhyForm):
    """The return to an older text; `base_version` is the version that was active on the page."""

    reason = forms.CharField(max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 2}))
    base_version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class CompareForm(forms.Form):
    """Which two versions are compared, and how it is shown: an empty form compares none."""

    base = forms.IntegerField(min_value=NEVER_PUSHED, max_value=2**31 - 1, required=False)
    head = forms.IntegerField(min_value=NEVER_PUSHED, max_value=2**31 - 1, required=False)
    whitespace = forms.ChoiceField(choices=[("ignore", "ignore")], required=False)
    layout = forms.ChoiceField(choices=[("split", "split")], required=False)


def how_shown(form: CompareForm) -> dict[str, Any]:
    """Return how a valid form wants a difference shown, as pages need it."""
    said = form.cleaned_data
    return {"ignoring": bool(said["whitespace"]), "split": bool(said["layout"])}


def unified(text: str) -> str:
    r"""Undo what browsers do to line ends: they send `\r\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
