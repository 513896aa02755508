"""What the editor shows: one's own draft or what one would begin from, and who else writes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from agents.models import Agent
from directives.forms import MODE_WORDS, DraftForm
from directives.models import NEVER_PUSHED, Directive, DirectiveDraft, DirectiveVersion
from ibex.line_differences import Difference, line_changes
from orgs.audit import Actor

EDITING_FOR = timedelta(minutes=5)
"""Whoever saved within it is at it now."""
FORGOTTEN_AFTER = timedelta(days=14)
MAX_OTHERS = 10


@dataclass(frozen=True)
class Beside:
    """Somebody else's draft of the same directive."""

    draft: DirectiveDraft
    is_now: bool


@dataclass(frozen=True)
class Move:
    """The text goes elsewhere in the prompt: in words, before and after. Empty is nowhere yet."""

    before: str
    after: str


@dataclass(frozen=True)
class Conflict:
    """Another version was pushed while the operator wrote: what each side did to the base."""

    base: DirectiveVersion | None
    theirs: DirectiveVersion
    they_changed: Difference | None
    they_moved: Move | None
    i_changed: Difference | None
    i_moved: Move | None


def directive_of(agent: Agent) -> Directive | None:
    """Return the agent's directive; None before its first push."""
    return getattr(agent, "directive", None)


def active_version(agent: Agent) -> DirectiveVersion | None:
    """Return the version that the agent runs."""
    directive = directive_of(agent)
    return directive.active_version if directive else None


def mode_of(agent: Agent, draft: DirectiveDraft | None = None) -> str:
    """Return where the agent's text goes, or would go if the draft were pushed."""
    directive = directive_of(agent)
    now = directive.injection_mode if directive else Directive.InjectionMode.SYSTEM_FIRST
    return str((draft and draft.injection_mode) or now)


def move(before: str | None, after: str | None) -> Move | None:
    """Compare two places in the prompt; None is no version, and no place. None when equal."""
    if before == after:
        return None
    old, new = (MODE_WORDS[mode] if mode else "" for mode in (before, after))
    return Move(old, new)


def with_directives(org_id: Any) -> QuerySet[Agent]:
    """Return the organization's agents with what each of them runs."""
    rows = Agent.objects.filter(org=org_id)
    return rows.select_related("directive__active_version__created_by")


def own_draft(agent: Agent, actor: Actor) -> DirectiveDraft | None:
    """Return what `actor` is writing."""
    return DirectiveDraft.objects.of(agent, actor).first()


def others(agent: Agent, mine: DirectiveDraft | None) -> list[Beside]:
    """Return who else writes, the latest first."""
    now = timezone.now()
    drafts = DirectiveDraft.objects.filter(
        org=agent.org_id, agent=agent, updated_at__gte=now - FORGOTTEN_AFTER
    )
    if mine:
        drafts = drafts.exclude(pk=mine.pk)
    found = drafts.defer("content").select_related("operator", "token")[:MAX_OTHERS]
    return [Beside(draft, draft.updated_at > now - EDITING_FOR) for draft in found]


def begin(agent: Agent, draft: DirectiveDraft | None) -> DraftForm:
    """Open the editor with the draft, or with the text that is active."""
    active, mode = active_version(agent), mode_of(agent)
    initial: dict[str, Any] = {"injection_mode": mode, "base_mode": mode, "revision": 0}
    if draft:
        initial |= {
            "content": draft.content,
            "base_version": draft.base_version,
            "draft": draft.pk,
            "revision": draft.revision,
            "injection_mode": mode_of(agent, draft),
        }
    else:
        initial |= {
            "content": active.content if active else "",
            "base_version": active.number if active else NEVER_PUSHED,
        }
    return DraftForm(initial=initial)


def find_conflict(agent: Agent, draft: DirectiveDraft) -> Conflict | None:
    """Compare both sides with the version that they began from; None when nobody else pushed.

    A draft that leaves the place in the prompt as it is moves the text nowhere.
    """
    active = active_version(agent)
    if active is None or active.number == draft.base_version:
        return None
    base = DirectiveVersion.objects.of_agent(agent).filter(number=draft.base_version).first()
    began, place = (base.content, base.injection_mode) if base else ("", None)
    return Conflict(
        base,
        active,
        line_changes(began, active.content),
        move(place, active.injection_mode),
        line_changes(began, draft.content),
        move(place, draft.injection_mode or place),
    )
