"""Forms of an agent: making one, and how it remembers."""

from typing import Any, Self

from django import forms

from agents.models import Agent
from ibex.forms import SettingsForm
from ibex.versions import version_of

POSITIONS = [
    (Agent.MemoryPosition.LAST_USER, "inside the last user message (the prompt's prefix stays)"),
    (Agent.MemoryPosition.SYSTEM_BEFORE_USER, "in a system message before the last user message"),
    (Agent.MemoryPosition.SYSTEM_FIRST, "in the first system message"),
]
SCOPES = [
    (
        Agent.MemoryScope.SUBJECT,
        "Per subject",
        (
            "Each end user has memories of their own. A request that names nobody sees only what "
            "is pinned or written by operators. Choose this when different people talk to it."
        ),
    ),
    (
        Agent.MemoryScope.AGENT,
        "Shared",
        (
            "What is learned without a subject is shared by everyone who talks to the agent. "
            "Choose this for one team, one process, one person."
        ),
    ),
]


class AgentForm(forms.Form):
    """How an agent is called and how it remembers."""

    name = forms.CharField(max_length=255)
    description = forms.CharField(
        max_length=10_000, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    default_model = forms.CharField(
        max_length=256, required=False, help_text="Empty: the model that the client asks for."
    )
    memory_enabled = forms.BooleanField(
        required=False, label="Recall", help_text="Put what matters into prompts."
    )
    extraction_enabled = forms.BooleanField(
        required=False, label="Learning", help_text="Learn from conversations."
    )
    max_injected_memories = forms.IntegerField(
        min_value=0, max_value=200, label="Memories in a prompt, at most"
    )
    memory_budget_tokens = forms.IntegerField(
        min_value=0, max_value=100_000, label="Tokens for them, at most"
    )
    memory_position = forms.ChoiceField(choices=POSITIONS, label="Where they go")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, errors in self.errors.items() if self.is_bound else ():
            if errors and name in self.fields:
                described = {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}
                self.fields[name].widget.attrs.update(described)


class AgentSettingsForm(AgentForm, SettingsForm):
    """Changes to an agent's configuration."""

    @classmethod
    def of(cls, agent: Agent, sent: Any = None) -> Self:
        """Show how an agent is set up, or read what was sent to change it."""
        version = {"base_version": version_of(agent.updated_at)}
        return cls(sent, initial=values_of(agent) | version)


class NewAgentForm(AgentForm):
    """A new agent. Its slug and memory scope never change; the scope has no default."""

    slug = forms.RegexField(
        r"^[a-z0-9-]+\Z",
        max_length=100,
        help_text="Lower case, digits and hyphens. It never changes.",
        error_messages={"invalid": "Use only a-z, 0-9 and hyphens."},
    )
    memory_scope = forms.ChoiceField(
        choices=[(value, label) for value, label, _words in SCOPES],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose who shares what the agent learns."},
    )


DEFAULTS = {
    name: getattr(Agent(), name)
    for name in AgentForm.base_fields
    if name not in {"name", "description"}
}


def values_of(agent: Agent) -> dict[str, Any]:
    """Return what the form shows of an agent."""
    return {name: getattr(agent, name) for name in AgentForm.base_fields}
