"""Agents with the directive that each of them runs, as the console lists them: without the text."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, F, OuterRef, QuerySet, Value, When
from django.db.models.functions import Coalesce

from agents.models import Agent
from directives.editing import active_version, directive_of, with_directives
from directives.forms import MODE_WORDS
from directives.models import DirectiveDraft, DirectiveVersion, holder
from directives.pushes import synced
from orgs.audit import Actor

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of the last push of an agent that has none: after all others, latest first."""


@dataclass(frozen=True)
class DirectiveRow:
    """One agent, where its text goes, what it runs, and how many proxies do, of how many."""

    agent: Agent
    mode: str
    mode_words: str
    version: DirectiveVersion | None
    draft: str
    in_sync: int
    connected: int


def listed_directives(org_id: UUID, actor: Actor) -> QuerySet[Any]:
    """Return the organization's agents, with what the list is narrowed and sorted by."""
    drafts = DirectiveDraft.objects.filter(org=org_id, agent=OuterRef("pk"))
    mine = Exists(drafts.filter(**holder(actor)))
    return (
        with_directives(org_id)
        .defer("directive__active_version__content")
        .annotate(
            has_directive=Case(
                When(directive__active_version=None, then=Value("no")), default=Value("yes")
            ),
            draft=Case(
                When(mine, then=Value("mine")),
                When(Exists(drafts), then=Value("others")),
                default=Value("none"),
            ),
            pushed_at=Coalesce(F("directive__active_version__created_at"), Value(NEVER)),
        )
    )


def directive_rows(agents: list[Any]) -> list[DirectiveRow]:
    """Show rows of `listed_directives`; two queries for all of them."""
    running = [version for agent in agents if (version := active_version(agent))]
    counts = synced(running) if running else {}
    return [_row(agent, counts) for agent in agents]


def _row(agent: Any, counts: dict[UUID, tuple[int, int]]) -> DirectiveRow:
    directive, version = directive_of(agent), active_version(agent)
    mode = str(directive.injection_mode) if directive else ""
    in_sync, connected = counts.get(version.pk, (0, 0)) if version else (0, 0)
    words = MODE_WORDS.get(mode, "")
    return DirectiveRow(agent, mode, words, version, agent.draft, in_sync, connected)
