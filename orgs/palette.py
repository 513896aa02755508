"""The palette: what was opened last, pages, agents by name, anything by its id, and actions.

All of it as the role allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from agents.models import Agent
from orgs.access import Access, OrgRequest
from orgs.finding import open_to
from orgs.navigation import open_sections
from orgs.permissions import Permission
from orgs.recent import opened

MAX_AGENTS = 4
MAX_WORDS = 200
ACTIONS = [
    ("new-agent", "Create an agent", "plus", Permission.AGENT_WRITE),
    ("new-memory", "Write a memory", "plus", Permission.MEMORY_WRITE),
    ("new-token", "Create a token", "key", Permission.TOKEN_CREATE),
    ("members", "Invite a member", "user-plus", Permission.USER_MANAGE),
    ("organizations", "Switch organization", "selector", Permission(0)),
    ("help", "Shortcuts and help", "help-circle", Permission(0)),
]
ABOUT_AN_AGENT = [
    ("agent-directive", "Directive", "script", Permission.DIRECTIVE_READ),
    ("agent-memories", "Memories", "brain", Permission.MEMORY_READ),
    ("agent-sessions", "Sessions", "messages", Permission.SESSION_READ),
]


@dataclass(frozen=True)
class Hit:
    """One thing that the palette can open."""

    kind: str
    label: str
    url: str
    icon: str


def search(request: OrgRequest, words: str) -> list[Hit]:
    """Find what the words may mean, inside the tenant; without words, the pages and actions."""
    words = clean(words)
    return [
        *_by_id(request, words),
        *_pages(request.access, words),
        *_agents(request.access, words),
        *_actions(request.access, words),
    ]


def recent(request: OrgRequest, words: str) -> list[Hit]:
    """List what the operator opened last, the newest first; nothing while they search."""
    if clean(words):
        return []
    return [
        Hit(finder.kind, finder.label(row), url, finder.icon)
        for finder, row, url in opened(request)
    ]


def clean(words: str) -> str:
    """Return what was typed, as it is searched for."""
    return words.strip()[:MAX_WORDS].replace("\0", "")


def _pages(access: Access, words: str) -> Iterator[Hit]:
    for entry in open_sections(access):
        if words.lower() in entry.label.lower():
            yield Hit("Page", entry.label, entry.url, entry.icon)


def _actions(access: Access, words: str) -> Iterator[Hit]:
    for name, label, icon, needs in ACTIONS:
        if needs & ~access.permissions or words.lower() not in label.lower():
            continue
        try:
            yield Hit("Action", label, reverse(name), icon)
        except NoReverseMatch:
            continue


def _agents(access: Access, words: str) -> Iterator[Hit]:
    if not words or Permission.AGENT_READ & ~access.permissions:
        return
    found = Agent.objects.filter(org=access.org_id, name__icontains=words)
    for agent in found.order_by("name", "pk")[:MAX_AGENTS]:
        yield Hit("Agent", agent.name, reverse("agent", args=[agent.pk]), "robot")
        for name, label, icon, needs in ABOUT_AN_AGENT:
            if not needs & ~access.permissions:
                yield Hit("Agent", f"{label} of {agent.name}", reverse(name, args=[agent.pk]), icon)


def _by_id(request: OrgRequest, words: str) -> Iterator[Hit]:
    """Look an id up wherever it could belong; a name of a session is an id too."""
    for finder in open_to(request) if words else ():
        row = finder.find(request, words)
        if row is not None:
            url = reverse(finder.page, args=[row.pk])
            yield Hit(finder.kind, finder.label(row), url, finder.icon)
