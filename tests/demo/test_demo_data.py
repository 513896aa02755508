"""The demo's data is made as real data is, once, and goes without a trace."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.utils import ProgrammingError
from django.utils import timezone
from redis import Redis

from agents.models import Agent
from analytics.models import RequestRecord
from directives.models import DirectiveVersion
from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable
from ibex.archives import archive_storage
from ibex.demo import __main__ as door
from ibex.demo.clock import at
from ibex.demo.filling import Filling
from ibex.demo.organization import DEMO_ORG_ID, FILLED, NAME
from ibex.demo.story import DAYS, conversations, statements
from ibex.demo.texts import WORDS
from ibex.tenancy import tenant
from memories.models import Memory, MemoryVersion, Passage, Recall
from memories.services import write_memory
from orgs.management.commands import demo_data
from orgs.management.commands.demo_data import OWNER
from orgs.models import AuditEvent, Membership, Operator, Organization
from privacy.registry import TABLES
from sessions.archiving import archive_session
from sessions.models import Session, Turn
from tests.api.rows import make_session, make_turn
from tests.conftest import TESTS, World, make_operator

SCALE = 0.05
FILLED_STORES = {
    *("organizations", "memberships", "agents", "audit", "directives", "directive versions"),
    *("sessions", "turns", "memories", "memory labels", "memory versions"),
    *("memory relationships", "passages", "recalls", "postings", "term statistics"),
    *("corpus statistics", "request records"),
}
"""What the demo fills; the others it leaves empty."""
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def development(django_db_setup: None) -> Iterator[None]:
    """Be a development stack whose embedder is away: words alone are compared."""

    def away(*_args: Any, **_options: Any) -> None:
        raise EmbeddingUnavailable("tests")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DEVELOPMENT", True)
        patch.setattr(EmbedderClient, "embed_sync", away)
        yield


@pytest.fixture(scope="module")
def filled(development: None, django_db_blocker: Any) -> Iterator[str]:
    """What filling it said. It is made once: a test that removes it is rolled back."""
    with django_db_blocker.unblock():
        operator = make_operator(OWNER, "Operator")
        said = run("--scale", str(SCALE))
    yield said
    with django_db_blocker.unblock():
        run("--remove")
        Operator.objects.filter(pk=operator.pk)._raw_delete("default")


@pytest.fixture
def demo(filled: str, db: None) -> str:
    return filled


def run(*args: str) -> str:
    output = StringIO()
    call_command("demo_data", *args, stdout=output)
    return output.getvalue()


def rows() -> dict[str, int]:
    """Count the demo's rows in every table that holds an organization's."""
    with tenant(DEMO_ORG_ID):
        return {store.name: store.of_org(DEMO_ORG_ID).count() for store in TABLES}


def test_it_is_a_convincing_organization_that_the_operator_owns(demo: str) -> None:
    assert "37 of 37 steps." in demo
    assert demo.splitlines()[-1].startswith(NAME)
    with tenant(DEMO_ORG_ID):
        assert Organization.objects.get().slug == "demo"
        (member,) = Membership.objects.all()
        assert (member.operator.email, member.role) == (OWNER, "owner")
        assert set(Agent.objects.values_list("memory_scope", flat=True)) == {"agent", "subject"}
        versions = Counter(DirectiveVersion.objects.values_list("directive_id", flat=True))
        assert sorted(versions.values()) == [2, 3, 3, 4]
        assert Session.objects.count() == 24
        assert min(Counter(Turn.objects.values_list("session_id", flat=True)).values()) > 1
        assert not Session.objects.filter(extract_after__isnull=False).exists()
        assert RequestRecord.objects.filter(org_id=DEMO_ORG_ID).count() >= Turn.objects.count()
        failed = RequestRecord.objects.filter(org_id=DEMO_ORG_ID, status__gte=400)
        assert failed.exclude(directive_version=None).exists(), "as the proxy records them"


def test_its_memories_were_learned_and_are_of_every_kind(demo: str) -> None:
    with tenant(DEMO_ORG_ID):
        by_source = Counter(Memory.objects.values_list("source", flat=True))
        assert by_source["extracted"] > 20
        assert by_source["user_provided"] > 10
        statuses = set(Memory.objects.values_list("status", flat=True))
        assert {"active", "quarantined", "pending_review"} <= statuses
        categories = set(Memory.objects.values_list("category", flat=True))
        assert categories >= {"factual", "preference", "procedural", "behavioral"}
        assert Memory.objects.filter(pinned=True).exists()
        learned = Memory.objects.filter(source="extracted").exclude(source_turns=[])
        assert learned.exclude(subject=None).values("subject").distinct().count() > 2
        assert Passage.objects.filter(status="searchable").exists()
        assert Recall.objects.exists()


def test_everything_happened_when_the_story_says(demo: str) -> None:
    """A memory, its first version and the turn that it came from are of one moment."""
    with tenant(DEMO_ORG_ID):
        oldest = Session.objects.order_by("created_at")[0]
        assert timezone.now() - oldest.created_at > timedelta(days=DAYS // 2)
        for memory in Memory.objects.filter(source="extracted").exclude(source_turns=[])[:20]:
            turn = Turn.objects.get(pk=memory.source_turns[0])
            assert abs(memory.created_at - turn.created_at) < timedelta(hours=1)
            first = MemoryVersion.objects.get(memory=memory, number=1)
            assert first.created_at == memory.created_at
        ended = Session.objects.exclude(completed_at=None)
        assert all(s.completed_at - s.last_turn_at < timedelta(hours=1) for s in ended)


def test_running_it_twice_adds_nothing(demo: str) -> None:
    before = rows()
    assert "there already" in run("--scale", str(SCALE))
    assert rows() == before


def test_removing_it_leaves_nothing_of_it_and_another_org_untouched(
    demo: str, world: World, redis_url: str
) -> None:
    make_turn(make_session(world.scout, "chat"))
    write_memory(agent=world.scout, content="Ada keeps a walrus.", actor=TESTS)
    redis = Redis.from_url(redis_url)
    for org_id in (DEMO_ORG_ID, world.acme.pk):
        redis.set(f"{org_id}:embed:x", "1", ex=60)
    assert {name for name, count in rows().items() if count} >= FILLED_STORES
    before = rows_of(world)
    assert f"{NAME} is gone" in run("--remove")
    assert not any(rows().values())
    assert rows_of(world) == before
    assert before["turns"] == 1
    assert not redis.exists(f"{DEMO_ORG_ID}:embed:x")
    assert redis.delete(f"{world.acme.pk}:embed:x")
    with connection.cursor() as cursor:  # no row points at what is gone
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert "not there" in run("--remove")


def test_its_archives_go_too(demo: str, tmp_path: Path, settings: Any) -> None:
    settings.STORAGES = settings.STORAGES | {"archive": archive_storage("", default=tmp_path)}
    with tenant(DEMO_ORG_ID):
        session = Session.objects.exclude(archive_after=None).first()
        assert session is not None
    archive_session(org_id=DEMO_ORG_ID, session_id=session.pk)
    assert [path for path in tmp_path.rglob("*") if path.is_file()]
    run("--remove")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_run_that_did_not_end_has_to_be_removed_first(
    demo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("--remove")
    monkeypatch.setattr(demo_data, "note_filled", lambda *_args: None)
    run("--scale", "0.01")
    with pytest.raises(CommandError, match="--remove"):
        run("--scale", "0.01")
    run("--remove")
    assert not any(rows().values())


def rows_of(world: World) -> dict[str, int]:
    with tenant(world.acme):
        return {store.name: store.of_org(world.acme.pk).count() for store in TABLES}


def test_no_other_organization_can_be_removed(demo: str, world: World) -> None:
    refuses(world.acme)
    run("--remove")
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(slug="demo")
    refuses(world.acme)  # the slug alone does not make it ours
    with tenant(world.acme):
        assert Agent.objects.exists()


def refuses(org: Organization) -> None:
    with (
        pytest.raises(ProgrammingError, match="only the demo organization"),
        tenant(org),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT ibex_remove_demo_organization(%s)", [org.pk])


def test_it_exists_in_development_alone(settings: Any, db: None) -> None:
    settings.DEVELOPMENT = False
    for arguments in ([], ["--remove"]):
        with pytest.raises(CommandError, match="development"):
            run(*arguments)


def test_the_story_is_the_same_each_time() -> None:
    first, again = list(conversations(NOW)), list(conversations(NOW))
    assert first == again
    assert len(first) > 400
    assert [c.begins for c in first] == sorted(c.begins for c in first)
    assert all(NOW - timedelta(days=DAYS + 2) < c.begins for c in first)
    assert all(c.ends < NOW for c in first)
    said = [exchange.asked for c in first for exchange in c.exchanges]
    assert not [text for text in said if "{" in text or "}" in text]
    assert len(set(said)) > 0.55 * len(said)


def test_what_operators_tell_does_not_contradict_itself() -> None:
    random = Random(1)  # noqa: S311 - a story, not a secret
    told = statements(random, ("The {product} weighs {weight}.",), 200)
    assert len(told) == len(WORDS["product"])


def test_another_day_tells_the_same_story_later() -> None:
    day = timedelta(days=3)
    for first, later in zip(conversations(NOW), conversations(NOW + day), strict=True):
        assert first.begins + day == later.begins
        assert first.exchanges == later.exchanges


def test_a_scale_is_a_positive_number(development: None) -> None:
    for wrong in ("0", "-1", "many", "11"):
        with pytest.raises(CommandError, match="scale"):
            run("--scale", wrong)


def test_a_moment_of_the_story_is_over_afterwards() -> None:
    with at(NOW):
        assert timezone.now() == NOW
        with at(NOW - timedelta(days=1)):
            assert timezone.now() == NOW - timedelta(days=1)
        assert timezone.now() == NOW
    assert abs(timezone.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_running_stack_is_found_and_what_is_set_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IBEX_REDIS_URL", "IBEX_TOKEN_KEY", "IBEX_EMBEDDER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IBEX_HOME", str(tmp_path))
    monkeypatch.setenv("IBEX_REDIS_URL", "redis://mine")
    monkeypatch.setenv("IBEX_TOKEN_KEY_FILE", "/somewhere")
    door.adopt_running_stack()  # nothing runs
    assert "IBEX_EMBEDDER_URL" not in door.os.environ
    (tmp_path / "run").mkdir()
    environment = {
        "IBEX_REDIS_URL": "redis://theirs",
        "IBEX_TOKEN_KEY": "theirs",
        "IBEX_EMBEDDER_URL": "http://theirs",
    }
    (tmp_path / "run" / "stack.json").write_text(json.dumps({"environment": environment}))
    door.adopt_running_stack()
    assert door.os.environ["IBEX_REDIS_URL"] == "redis://mine"
    assert "IBEX_TOKEN_KEY" not in door.os.environ
    assert door.os.environ["IBEX_EMBEDDER_URL"] == "http://theirs"
    monkeypatch.delenv("IBEX_EMBEDDER_URL")


def test_the_audit_says_who_made_it(demo: str) -> None:
    with tenant(DEMO_ORG_ID):
        labels = set(AuditEvent.objects.values_list("actor_label", flat=True))
        assert labels == {"demo data", "extraction rules-1"}
        assert AuditEvent.objects.filter(action=FILLED).count() == 1


def test_its_steps_are_the_same_in_another_process() -> None:
    """Who was stopped goes on by number: agents and times are found again, not remembered."""
    org = Organization(id=DEMO_ORG_ID)
    first, second = (Filling(org, NOW, SCALE, print).steps() for _ in range(2))
    names = [getattr(step, "func", step).__name__ for step in first]
    assert names == [getattr(step, "func", step).__name__ for step in second]
    told = [[step.args for step in steps if isinstance(step, partial)] for steps in (first, second)]
    assert told[0] == told[1]
    assert {"_make_agent", "_tell", "_hold", "_dispute", "_decide_fates"} == set(names)
