"""The sections of the console: what the side shows, and where the palette can lead."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from orgs.access import Access
from orgs.permissions import Permission

NOTHING = Permission(0)


@dataclass(frozen=True)
class Section:
    """One page of the side; its URL name is looked up, so a page that is not there is not shown."""

    name: str
    label: str
    icon: str
    needs: Permission = NOTHING


P = Permission
GROUPS: list[tuple[str, list[Section]]] = [
    (
        "",
        [
            Section("overview", "Overview", "layout-dashboard"),
            Section("agents", "Agents", "robot", P.AGENT_READ),
            Section("memories", "Memories", "brain", P.MEMORY_READ),
            Section("review", "Review inbox", "checklist", P.MEMORY_READ),
            Section("sessions", "Sessions", "messages", P.SESSION_READ),
            Section("directives", "Directives", "script", P.DIRECTIVE_READ),
        ],
    ),
    (
        "Measure",
        [
            Section("analytics", "Analytics", "chart-bar", P.ANALYTICS_READ),
            Section("exports", "Exports", "file-export"),
        ],
    ),
    (
        "Govern",
        [
            Section("privacy", "Privacy", "shield-lock"),
            Section("retention", "Retention", "hourglass"),
            Section("audit", "Audit", "list-search", P.AUDIT_READ),
            Section("jobs", "Jobs", "stack-2"),
            Section("dead-letters", "Dead letters", "inbox", P.JOB_MANAGE),
        ],
    ),
    (
        "Settings",
        [
            Section("organization-settings", "Organization", "building", P.ORG_SETTINGS),
            Section("members", "Members", "users", P.USER_MANAGE),
            Section("lockouts", "Lockouts", "shield-exclamation", P.USER_MANAGE),
            Section("tokens", "Tokens", "key", P.TOKEN_CREATE),
            Section("status", "Status", "heartbeat", P.ANALYTICS_READ),
            Section("me", "Me", "user"),
        ],
    ),
]


@dataclass(frozen=True)
class Entry:
    """One section as an operator sees it on a page."""

    label: str
    icon: str
    url: str
    is_open: bool
    is_here: bool


@dataclass(frozen=True)
class Group:
    """Sections under one heading."""

    label: str
    entries: list[Entry]


def navigation(access: Access, path: str) -> list[Group]:
    """Return the sections that exist, with the one that `path` lies in."""
    found = [
        (label, [(section, url) for section in sections if (url := _url(section.name))])
        for label, sections in GROUPS
    ]
    here = max(
        (url for _, pairs in found for _, url in pairs if _lies_in(path, url)), default="", key=len
    )
    return [
        Group(label, [_entry(section, url, access, here) for section, url in pairs])
        for label, pairs in found
        if pairs
    ]


def open_sections(access: Access) -> Iterator[Entry]:
    """Yield the sections that the operator's role opens."""
    for group in navigation(access, ""):
        yield from (entry for entry in group.entries if entry.is_open)


def _entry(section: Section, url: str, access: Access, here: str) -> Entry:
    is_open = not section.needs & ~access.permissions
    return Entry(section.label, section.icon, url, is_open, is_here=url == here)


def _lies_in(path: str, url: str) -> bool:
    return path == url if url == "/" else path.startswith(url)


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
