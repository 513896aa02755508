"""What a list of memories in the console is narrowed by. All of it stands in the URL."""

from typing import Any
from uuid import UUID

from django import forms

from agents.models import Agent
from memories.models import Category, Memory, MemoryQuerySet

MODES = [("hybrid", "Both"), ("keyword", "Keyword"), ("semantic", "Meaning")]
MAX_AGENTS = 200
MAX_WORDS = 200
EVERYONE = "everyone"
"""The subject filter's word for memories about nobody in particular."""


class MemoryFilterForm(forms.Form):
    """One box of words and a few facets; an invalid filter narrows nothing and says why."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=MAX_WORDS,
        widget=forms.TextInput(
            attrs={"type": "search", "placeholder": "Search memories", "autocomplete": "off"}
        ),
    )
    mode = forms.ChoiceField(
        required=False, choices=MODES, initial="hybrid", widget=forms.RadioSelect
    )
    agent = forms.TypedChoiceField(required=False, coerce=UUID, empty_value=None)
    category = forms.ChoiceField(required=False, choices=[("", "Any"), *Category.choices])
    status = forms.ChoiceField(
        required=False, choices=[("", "Any but deleted"), *Memory.Status.choices]
    )
    subject = forms.CharField(required=False, max_length=128)
    pinned = forms.ChoiceField(
        required=False, choices=[("", "Any"), ("yes", "Pinned"), ("no", "Not pinned")]
    )

    def __init__(self, data: Any, *, agents: list[Agent] | None = None) -> None:
        super().__init__(data, label_suffix="")
        self.agents = agents or []
        self.fields["subject"].widget.attrs["placeholder"] = "anyone"
        if agents is None:
            del self.fields["agent"]
        else:
            choices = [("", "Any"), *((agent.pk, agent.name) for agent in agents)]
            self.fields["agent"].choices = choices  # type: ignore[attr-defined]
        self.usable = self.is_valid()

    def value(self, name: str) -> Any:
        """Return what was asked for; nothing while the form is invalid."""
        return self.cleaned_data.get(name) if self.usable else None

    @property
    def words(self) -> str:
        """What is searched for."""
        return str(self.value("q") or "").strip()

    @property
    def search_mode(self) -> str:
        """How it is searched: hybrid unless chosen otherwise."""
        return str(self.value("mode") or "hybrid")

    @property
    def chosen_agent(self) -> Agent | None:
        """The one agent to search in: the chosen one, or the only one there is."""
        if len(self.agents) == 1:
            return self.agents[0]
        return next((one for one in self.agents if one.pk == self.value("agent")), None)

    @property
    def searching_as(self) -> str | None:
        """The end user to search as; None for nobody in particular."""
        subject = self.value("subject") or ""
        return None if subject in {"", EVERYONE} else str(subject)

    @property
    def is_ranked(self) -> bool:
        """Whether relevance can order the answer: only active memories are ever retrieved."""
        return bool(self.words) and self.value("status") in {"", Memory.Status.ACTIVE}

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the search mode was asked for."""
        return any(self.data.get(name) for name in self.fields if name != "mode")

    def narrow(self, memories: MemoryQuerySet) -> MemoryQuerySet:
        """Keep the memories that the facets allow."""
        if agent := self.value("agent"):
            memories = memories.filter(agent=agent)
        if category := self.value("category"):
            memories = memories.filter(category=category)
        if pinned := self.value("pinned"):
            memories = memories.filter(pinned=pinned == "yes")
        if subject := self.value("subject"):
            memories = memories.filter(subject=None if subject == EVERYONE else subject)
        if status := self.value("status"):
            return memories.filter(status=status)
        return memories.exclude(status=Memory.Status.DELETED)

    def containing(self, memories: MemoryQuerySet) -> MemoryQuerySet:
        """Keep the memories that hold the words as they were typed."""
        return memories.filter(content__icontains=self.words) if self.words else memories
