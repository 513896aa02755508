"""The forms by which operators write, change and judge memories."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.timezone import get_current_timezone_name

from agents.models import Agent
from ibex.forms import ReasonForm
from memories.models import MAX_CONTENT_BYTES, Category, Memory
from memories.writing.drafts import MAX_SUBJECT_CHARACTERS, MAX_TAG_CHARACTERS, MAX_TAGS

TIMES = ("valid_from", "valid_until", "observed_at", "expires_at")
VISIBILITIES = [
    (Memory.Visibility.AGENT, "Its agent"),
    (Memory.Visibility.ORG, "All agents of the organization"),
]
MAX_REASON = 500


class ContentField(forms.CharField):
    """A memory's words, with line ends as they were: browsers send two characters for each."""

    def __init__(self, **options: Any) -> None:
        attributes = {"rows": 6, "dir": "auto", "spellcheck": "true"}
        super().__init__(strip=False, widget=forms.Textarea(attrs=attributes), **options)

    def to_python(self, value: Any) -> Any:
        """Undo what browsers do to line ends."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else text


class TagsField(forms.CharField):
    """Tags with commas between them; the services clean and count them."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("max_length", MAX_TAGS * (MAX_TAG_CHARACTERS + 2))
        super().__init__(required=False, **options)

    def clean(self, value: Any) -> Any:
        """Return the tags, each once and none of them empty."""
        given = str(super().clean(value) or "")
        return list(dict.fromkeys(tag.strip() for tag in given.split(",") if tag.strip()))


class MomentField(forms.DateTimeField):
    """A time to the second, as browsers ask for it, in the operator's time zone."""

    def __init__(self, **options: Any) -> None:
        attributes = {"type": "datetime-local", "step": "1"}
        widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs=attributes)
        super().__init__(widget=widget, **options)


class MemoryForm(forms.Form):
    """What an operator can say of a memory, new or old."""

    content = ContentField(label="Text")
    category = forms.ChoiceField(choices=Category.choices, initial=Category.FACTUAL)
    subject_key = forms.CharField(
        label="About",
        required=False,
        max_length=200,
        help_text="What it is about, such as user.database.host; a newer value replaces this one.",
    )
    tags = TagsField(help_text="With commas between them, 20 at most.")
    confidence = forms.FloatField(min_value=0, max_value=1, initial=0.80)
    visibility = forms.ChoiceField(label="Seen by", choices=VISIBILITIES)
    pinned = forms.BooleanField(required=False)
    valid_from = MomentField(required=False)
    valid_until = MomentField(required=False)
    observed_at = MomentField(required=False)
    expires_at = MomentField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.fields["confidence"].widget.attrs["step"] = "0.01"

    @property
    def times(self) -> Sequence[BoundField]:
        """When it holds, was heard, and goes."""
        return [self[name] for name in TIMES]

    @property
    def facts(self) -> list[BoundField]:
        """What is asked besides the text, as far as this form asks it."""
        names = ("category", "subject_key", "tags", "confidence", "usefulness", "visibility")
        return [self[name] for name in names if name in self.fields]

    @property
    def zone(self) -> str:
        """The time zone of the times."""
        return get_current_timezone_name()

    @property
    def limit(self) -> int:
        """How many bytes a text has at most."""
        return MAX_CONTENT_BYTES

    @property
    def size(self) -> int:
        """The bytes of the text as it stands in the form."""
        return len(str(self["content"].value() or "").encode("utf-8", "replace"))

    def values(self) -> dict[str, Any]:
        """Return what was said, without what was left open."""
        return {name: value for name, value in self.cleaned_data.items() if value is not None}

    def refuse(self, field: str | None, message: str) -> None:
        """Show a service's refusal where it belongs."""
        self.add_error(field if field in self.fields else None, message)


class NewMemoryForm(MemoryForm):
    """Something an operator wants an agent to remember."""

    agent = forms.ModelChoiceField(queryset=Agent.objects.none(), empty_label=None)
    subject = forms.CharField(
        required=False,
        max_length=MAX_SUBJECT_CHARACTERS,
        help_text="The one person it is about; empty for everyone.",
    )
    field_order = ("agent", "content", "subject")


class EditMemoryForm(MemoryForm):
    """Changes to a memory, and why. `base_version` is the version that the editor saw.

    Feedback moves `usefulness` without a version, so the form carries what it showed.
    """

    usefulness = forms.FloatField(min_value=0, max_value=1, show_hidden_initial=True)
    reason = forms.CharField(max_length=MAX_REASON)
    base_version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, memory: Memory, **kwargs: Any) -> None:
        self.memory = memory
        kwargs["initial"] = {**initial(memory), **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.fields["usefulness"].widget.attrs["step"] = "0.01"
        if memory.visibility == Memory.Visibility.SESSION:
            self.fields["visibility"].choices = [  # type: ignore[attr-defined]
                (Memory.Visibility.SESSION, "Its session alone")
            ]

    def changes(self) -> dict[str, Any]:
        """Return what was changed, as the service takes it; a time left open is taken away."""
        said = self.cleaned_data
        names = [name for name in self.changed_data if name not in {"reason", "base_version"}]
        changes = {name: said[name] for name in names}
        for name in ("valid_from", "observed_at"):  # these are always known
            if changes.get(name, "") is None:
                del changes[name]
        return changes


class TagForm(forms.Form):
    """Tags to add to memories, and tags to take away."""

    add = TagsField(label="Add tags", help_text="With commas between them.")
    remove = TagsField(label="Take tags away", help_text="With commas between them.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """Refuse what would change nothing."""
        said: dict[str, Any] = super().clean() or {}
        if not said.get("add") and not said.get("remove"):
            raise forms.ValidationError("Name a tag to add or one to take away.")
        return said


class BulkTagForm(TagForm, ReasonForm):
    """Tags for many memories, and why."""


class DatesForm(forms.Form):
    """Until when one memory held, and from when on the other one does."""

    until = MomentField()
    begins = MomentField()


def initial(memory: Memory) -> Mapping[str, Any]:
    """Return a memory's values as its form shows them."""
    plain = ("content", "category", "subject_key", "confidence", "usefulness", "visibility")
    values = {name: getattr(memory, name) for name in (*plain, "pinned", *TIMES)}
    return {**values, "tags": ", ".join(memory.tags)}
