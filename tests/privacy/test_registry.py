"""Nothing that holds an organization's or a person's data escapes the store registry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.db import models
from django.test.utils import isolate_apps

from agents.models import Agent
from analytics.models import ExtractionRecord, RequestRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.events import note
from jobs.models import Job, JobChunk, JobEvent
from memories.models import (
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
)
from memories.services import write_memory
from orgs import audit
from orgs.models import AuditEvent, Membership, Organization, SavedView, TenantModel
from privacy.registry import (
    KEYS,
    TABLES,
    RedisStore,
    TableStore,
    holds_tenant_data,
    unregistered,
    unregistered_keys,
)
from sessions.models import ConversationNode, Session, SessionError, Turn
from tests.api.rows import make_call, make_job, make_session, make_turn
from tests.conftest import ROOT, TESTS, World

PACKAGES = [
    path for path in ROOT.iterdir() if (path / "__init__.py").exists() and path.name != "tests"
]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from package.rglob("*.py")


def test_every_model_with_an_org_or_a_subject_is_registered() -> None:
    assert unregistered(apps.get_models(include_auto_created=True)) == []


@isolate_apps("privacy")
def test_a_model_that_was_forgotten_is_found() -> None:
    class Diary(TenantModel):
        class Meta:
            app_label = "privacy"

    class Note(models.Model):  # noqa: DJ008 - nobody reads it
        subject = models.CharField(max_length=128)

        class Meta:
            app_label = "privacy"

    class Weather(models.Model):  # noqa: DJ008 - nor this
        degrees = models.FloatField()

        class Meta:
            app_label = "privacy"

    assert unregistered([Diary, Note, Weather]) == ["privacy.Diary", "privacy.Note"]
    assert unregistered([Diary], [TableStore("diaries", Diary)]) == []


def test_taking_a_store_away_is_noticed() -> None:
    for store in TABLES:
        rest = [other for other in TABLES if other is not store]
        assert unregistered(apps.get_models(), rest) == [store.model._meta.label]


def test_every_store_is_registered_once_under_a_name_of_its_own() -> None:
    assert len({store.name for store in TABLES}) == len(TABLES)
    assert len({store.model for store in TABLES}) == len(TABLES)
    assert all(holds_tenant_data(store.model) for store in TABLES)


def test_every_store_finds_persons_or_says_why_not() -> None:
    for store in TABLES:
        assert bool(store.by_subject) != bool(store.without_subject), store.name
        columns = {field.attname for field in store.model._meta.concrete_fields}
        assert "subject" not in columns or store.by_subject, store.name


def test_every_family_of_redis_keys_is_registered() -> None:
    for path in sources():
        assert not unregistered_keys(path.read_text()), path


def test_a_family_of_keys_that_was_forgotten_is_found() -> None:
    source = 'key = f"{self.org_id}:secrets:{name}"; other = f"{org_id}:freeze:{session}"'
    assert unregistered_keys(source) == {"secrets"}


def test_every_registered_family_is_one_that_the_code_builds() -> None:
    text = "\n".join(path.read_text() for path in sources() if path.parts[-2] != "privacy")
    for store in KEYS:
        assert store.family in unregistered_keys(text, []), store.family


def test_the_patterns_of_keys_begin_with_the_org() -> None:
    org, session = uuid7(), uuid7()
    for store in KEYS:
        for pattern in store.of_org(org) + store.of_subject(org, [session]):
            assert pattern.startswith(f"{org}:{store.family}:")
    freeze = RedisStore("freeze", by_session=True)
    assert freeze.of_subject(org, [session]) == [f"{org}:freeze:{session}:*"]
    assert RedisStore("rate", without_subject="Counts.").of_subject(org, [session]) == []


def live(agent: Agent, subject: str, mark: str) -> None:
    """Leave a trace of one person in every table that can hold one."""
    session = make_session(agent, f"chat-{mark}", subject=subject)
    turn = make_turn(session)
    with tenant(agent.org_id):
        Recall.objects.create(
            org_id=agent.org_id, turn=turn, item_id=turn.pk, kind=0, rank=1, score=1.0
        )
    first = write_memory(
        agent=agent,
        content=f"{mark} keeps a walrus.",
        actor=TESTS,
        subject=subject,
        source_turns=[turn.pk],
        tags=["pets"],
    ).memory
    second = write_memory(
        agent=agent, content=f"{mark} lives in Oslo.", actor=TESTS, subject=subject
    ).memory
    job = make_job(agent, subject=subject)
    with tenant(agent.org_id):
        JobChunk.objects.create(org_id=agent.org_id, job=job, number=0, row_ids=[uuid7()])
        note(job, JobEvent.Kind.QUEUED)
    with tenant(agent.org_id):
        query = urlencode({"status": "active", "subject": subject})
        SavedView.objects.create(
            org_id=agent.org_id,
            operator=Membership.objects.filter(org=agent.org_id).first().operator,
            name=mark,
            path="/memories/",
            query=query,
        )
    common = {"org_id": agent.org_id, "agent": agent}
    with tenant(agent.org_id):
        Memory.objects.filter(pk=first.pk).update(injected_count=1)
        MemoryRelationship.objects.create(
            org_id=agent.org_id, source=first, target=second, type="specializes"
        )
        Passage.objects.create(
            **common,
            subject=subject,
            session=session,
            turn=turn,
            turn_index=0,
            part=0,
            role="user",
            text="Hello",
            said_at=turn.created_at,
        )
        ConversationNode.objects.create(
            **common, subject=subject, digest=uuid7().bytes * 2, session=session, turn_index=0
        )
        make_call(agent, session_id=session.pk, status=504, error_code="PROVIDER_TIMEOUT")
        ExtractionRecord.objects.create(
            org_id=agent.org_id,
            agent_id=agent.pk,
            session_id=session.pk,
            extractor="llm-1/gpt",
            model="gpt",
            turns=1,
            latency_ms=1,
            outcome="ok",
        )
        DeadLetter.objects.create(
            **common, session=session, first_turn=0, last_turn=0, reason="schema", extractor="llm-1"
        )
        audit.record("test.seen", session, actor=TESTS, subject=subject)


PERSONAL = [store for store in TABLES if store.by_subject]


def test_a_persons_rows_are_found_in_every_store_and_nobody_elses(
    world: World, embedder_away: None
) -> None:
    live(world.scout, "ada", "Ada")
    with tenant(world.acme):
        before = {
            store.name: set(store.of_subject(world.acme.pk, "ada").values_list("pk", flat=True))
            for store in PERSONAL
        }
        nobody = {store.name: store.of_subject(world.acme.pk, "bob").count() for store in PERSONAL}
    assert all(before.values()), [name for name, rows in before.items() if not rows]
    assert not any(nobody.values())
    live(world.scout, "bob", "Bob")
    live(world.spy, "ada", "Ada")
    with tenant(world.acme):
        for store in PERSONAL:
            found = set(store.of_subject(world.acme.pk, "ada").values_list("pk", flat=True))
            assert found == before[store.name], store.name
            everyones = set(store.of_org(world.acme.pk).values_list("pk", flat=True))
            assert found < everyones, store.name


def test_an_orgs_rows_are_all_of_them(world: World, embedder_away: None) -> None:
    """Counted by the stores inside the tenant, and by row-level security itself."""
    live(world.scout, "ada", "Ada")
    live(world.spy, "ada", "Ada")
    for org in (world.acme, world.elsewhere):
        with tenant(org):
            for store in TABLES:
                visible = store.model._default_manager.count()
                assert store.of_org(org.pk).count() == visible, store.name
    with tenant(world.acme):
        assert [row.pk for row in TABLES[0].of_org(world.acme.pk)] == [world.acme.pk]
        assert not TABLES[0].of_org(world.elsewhere.pk).exists()


def test_the_personal_stores_are_these() -> None:
    assert {store.model for store in PERSONAL} == {
        AuditEvent,
        SavedView,
        Session,
        SessionError,
        Turn,
        ConversationNode,
        Memory,
        MemoryLabel,
        MemorySource,
        MemoryTag,
        MemoryUse,
        MemoryVersion,
        MemoryRelationship,
        Passage,
        Posting,
        Recall,
        DeadLetter,
        Job,
        JobChunk,
        JobEvent,
        RequestRecord,
        ExtractionRecord,
    }
    assert Organization not in {store.model for store in PERSONAL}
