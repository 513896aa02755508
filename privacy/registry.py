"""The store registry: whatever holds an organization's or a person's data, and how to find it.

Erasure, exports and verification walk this list; a test walks the models and the Redis keys and
fails for whatever is not on it. A new model with an `org` or a `subject` gets its line here.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.core.files.storage import storages
from django.db.models import Model, Q, QuerySet

from agents.models import Agent
from analytics.models import ExtractionRecord, HourOfCalls, LateHour, RequestRecord
from control.models import Acknowledgement, Event
from directives.models import Directive, DirectiveDraft, DirectiveVersion
from jobs.models import Job, JobChunk, JobEvent
from memories.models import (
    CorpusStatistics,
    DeadLetter,
    Memory,
    MemoryLabel,
    MemoryRelationship,
    MemorySource,
    MemoryTag,
    MemoryUse,
    MemoryVersion,
    Passage,
    Posting,
    Recall,
    TermStatistics,
)
from orgs.models import (
    AuditEvent,
    Invitation,
    Membership,
    Organization,
    SavedView,
    Token,
)
from sessions.archiving import ALIAS as ARCHIVE
from sessions.archiving import archive_key
from sessions.models import ConversationNode, Session, SessionError, Turn

BySubject = Callable[[str], Q]

KEY = re.compile(r"\{[a-z_.]*org[a-z_]*\}:([a-z_]+):")
"""How source text builds a Redis key: the org's id first, then the family."""


@dataclass(frozen=True)
class TableStore:
    """One model's rows. Look at them inside the org's tenant; elsewhere nothing exists.

    `by_subject` finds one person's rows. Where it is None, `without_subject` says why the table
    holds nothing of one person.
    """

    name: str
    model: type[Model]
    by_subject: BySubject | None = None
    without_subject: str = ""
    org_field: str = "org_id"

    def of_org(self, org_id: UUID) -> QuerySet[Model]:
        """Return all rows of an organization."""
        return self.model._default_manager.filter(**{self.org_field: org_id})  # noqa: SLF001 - documented

    def of_subject(self, org_id: UUID, subject: str) -> QuerySet[Model]:
        """Return the rows about one person; none for a table that holds nothing of one."""
        rows = self.of_org(org_id)
        return rows.filter(self.by_subject(subject)) if self.by_subject else rows.none()


@dataclass(frozen=True)
class RedisStore:
    """One family of keys, `{org}:{family}:…`.

    `by_session` says that the next part is a session's id. A family that cannot tell persons
    apart but may hold one's words is cleared as a whole: losing it costs time, never data.
    """

    family: str
    by_session: bool = False
    without_subject: str = ""

    def of_org(self, org_id: UUID) -> list[str]:
        """Return the patterns of an organization's keys."""
        return [f"{org_id}:{self.family}:*"]

    def of_subject(self, org_id: UUID, sessions: Iterable[UUID]) -> list[str]:
        """Return the patterns to clear for a person whose sessions these are."""
        if self.without_subject:
            return []
        if self.by_session:
            return [f"{org_id}:{self.family}:{session_id}:*" for session_id in sessions]
        return self.of_org(org_id)


@dataclass(frozen=True)
class FileStore:
    """Files in one of Django's STORAGES, `{org}/…`: one a session, so one person's each.

    A file may be there before its row says so, and a name is known without one: erase files
    while the rows of their sessions are still there, and delete by name, which also takes what
    a crash left half written.
    """

    name: str
    alias: str
    key: Callable[[Session], str]

    def of_org(self, org_id: UUID) -> Iterator[str]:
        """Walk an organization's files, whether or not a row knows them."""
        return self._walk(str(org_id))

    def of_subject(self, org_id: UUID, subject: str) -> Iterator[str]:
        """Name the files of a person's sessions, inside the org's tenant; not all need exist."""
        sessions = Session.objects.filter(org_id=org_id, subject=subject)
        return (self.key(session) for session in sessions.iterator())

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        storages[self.alias].delete(name)

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            folders, files = storages[self.alias].listdir(folder)
        except FileNotFoundError:
            return
        yield from (f"{folder}/{name}" for name in files)
        for name in folders:
            yield from self._walk(f"{folder}/{name}")


def column(path: str) -> BySubject:
    """Find a person's rows by a column, here or of a parent."""
    return lambda subject: Q(**{path: subject})


def edges(subject: str) -> Q:
    """Find the edges that begin or end at a person's memory."""
    return Q(source__subject=subject) | Q(target__subject=subject)


def requests(subject: str) -> Q:
    """Find the request records of a person's sessions; they hold numbers and ids alone."""
    return Q(session_id__in=Session.objects.filter(subject=subject).values("pk"))


def views_of(subject: str) -> Q:
    """Find the saved views that are narrowed to a person."""
    said = re.escape(urlencode({"subject": subject}))
    return Q(query__regex=rf"(^|&)(not_)?{said}(&|$)")


OF_OPERATORS = "It is about operators and agents, not about end users."
COUNTS = "It counts; the counts follow when the postings go."
SUMS = "It sums up the calls of an agent and of an organization, and of no person."

TABLES = [
    TableStore("organizations", Organization, without_subject=OF_OPERATORS, org_field="pk"),
    TableStore("memberships", Membership, without_subject=OF_OPERATORS),
    TableStore("invitations", Invitation, without_subject=OF_OPERATORS),
    TableStore("tokens", Token, without_subject=OF_OPERATORS),
    TableStore("saved views", SavedView, views_of),
    TableStore("audit", AuditEvent, column("subject_details__subject")),
    TableStore("jobs", Job, column("subject")),
    TableStore("job chunks", JobChunk, column("job__subject")),
    TableStore("job events", JobEvent, column("job__subject")),
    TableStore("agents", Agent, without_subject=OF_OPERATORS),
    TableStore("directives", Directive, without_subject=OF_OPERATORS),
    TableStore("directive versions", DirectiveVersion, without_subject=OF_OPERATORS),
    TableStore("directive drafts", DirectiveDraft, without_subject=OF_OPERATORS),
    TableStore("control events", Event, without_subject=OF_OPERATORS),
    TableStore("acknowledgements", Acknowledgement, without_subject=OF_OPERATORS),
    TableStore("sessions", Session, column("subject")),
    TableStore("session errors", SessionError, column("session__subject")),
    TableStore("turns", Turn, column("subject")),
    TableStore("conversation nodes", ConversationNode, column("subject")),
    TableStore("memories", Memory, column("subject")),
    TableStore("memory sources", MemorySource, column("memory__subject")),
    TableStore("memory tags", MemoryTag, column("memory__subject")),
    TableStore("memory uses", MemoryUse, column("memory__subject")),
    TableStore("memory labels", MemoryLabel, column("memory__subject")),
    TableStore("memory versions", MemoryVersion, column("memory__subject")),
    TableStore("memory relationships", MemoryRelationship, edges),
    TableStore("passages", Passage, column("subject")),
    TableStore("recalls", Recall, column("turn__subject")),
    TableStore("postings", Posting, column("subject")),
    TableStore("term statistics", TermStatistics, without_subject=COUNTS),
    TableStore("corpus statistics", CorpusStatistics, without_subject=COUNTS),
    TableStore("dead letters", DeadLetter, column("session__subject")),
    TableStore("request records", RequestRecord, requests),
    TableStore("hours of calls", HourOfCalls, without_subject=SUMS),
    TableStore("late hours", LateHour, without_subject=SUMS),
    TableStore("extraction records", ExtractionRecord, requests),
]

KEYS = [
    RedisStore("embed"),
    RedisStore("freeze", by_session=True),
    RedisStore("idempotency"),
    RedisStore("rate", without_subject="It counts requests of agents."),
    RedisStore("recent", without_subject="It holds ids of what operators opened, and no text."),
]

FILES = [FileStore("archives", ARCHIVE, archive_key)]


def holds_tenant_data(model: type[Model]) -> bool:
    """Say whether a model has an organization's key or a person's."""
    columns = {field.attname for field in model._meta.concrete_fields}  # noqa: SLF001 - documented
    return model is Organization or bool(columns & {"org_id", "subject", "subject_id"})


def unregistered(
    models: Iterable[type[Model]], stores: Iterable[TableStore] = tuple(TABLES)
) -> list[str]:
    """Name the models that hold such a key and are in no store."""
    known = {store.model for store in stores}
    return [
        model._meta.label  # noqa: SLF001 - documented
        for model in models
        if holds_tenant_data(model) and model not in known
    ]


def unregistered_keys(source: str, stores: Iterable[RedisStore] = tuple(KEYS)) -> set[str]:
    """Name the families of Redis keys that a source text builds and no store has."""
    return set(KEY.findall(source)) - {store.family for store in stores}
