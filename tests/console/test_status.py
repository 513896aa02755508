"""The page of the status: what answers, what waits in one's own organization, who listens."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from control.models import SILENT_AFTER, Clock, Proxy
from ibex import checks
from ibex.archives import archive_storage
from ibex.dispatch import CLAIMS
from ibex.ids import uuid7
from ibex.status.reading import LABELS, check_dependencies, read_status
from ibex.status.waiting import KINDS
from ibex.tenancy import tenant
from memories.models import Memory
from sessions.models import Session
from tests.api.rows import make_dead_letter, make_job, make_memory, make_session
from tests.conftest import SignIn, World
from tests.processes import free_port
from tests.services import dispatched, hanging, serve

HTMX = {"HX-Request": "true"}
URLS = ("IBEX_CONTEXT_HEALTH_URL", "IBEX_MEMORY_URL", "IBEX_WORKER_HEALTH_URL")


@pytest.fixture(autouse=True)
def all_answer(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Iterator[None]:
    """Let everything that the status asks answer."""
    with serve(dispatched(1)) as url:
        for name in URLS:
            monkeypatch.setenv(name, url)
        settings.EMBEDDER_URL = url
        keep_archives_in(settings, tmp_path / "archive")
        yield


def keep_archives_in(settings: Any, folder: Path) -> None:
    storage = archive_storage("", default=folder, access_key=None, secret_key=None)
    settings.STORAGES = {**settings.STORAGES, "archive": storage}


def statuses() -> dict[str, str]:
    return {name: one["status"] for name, one in check_dependencies()["checks"].items()}


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_everything_answers(world: World, sign_in: SignIn) -> None:
    page = sign_in(world.member("viewer")).get("/status/").content.decode()
    assert "Everything answers." in page
    assert 'class="broken"' not in page
    for label, _purpose in LABELS.values():
        assert label in page
    for words in ("Django", "5.2", "all-MiniLM-L6-v2, 384 dimensions", "Extractor", "0.3.0"):
        assert words in page


def test_the_page_looks_again_by_itself(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    page = client.get("/status/").content.decode()
    assert 'hx-get="/status/" hx-trigger="every 5s"' in page
    assert "Read at <time" in page
    part = client.get("/status/", headers=HTMX).content.decode()
    assert "<html" not in part
    assert 'id="status"' in part
    paused = client.get("/status/?paused=on").content.decode()
    assert "every 5s" not in paused
    assert "Look again every 5 seconds" in paused


@pytest.mark.parametrize(
    ("name", "dead"),
    [
        ("embedder", "Embedder does not answer."),
        ("context", "Context service does not answer."),
        ("memory", "Memory service does not answer."),
        ("dispatcher", "Worker does not answer."),
        ("redis", "Redis does not answer."),
        ("postgres", "Postgres does not answer."),
    ],
)
def test_a_dead_port_makes_its_row_red_and_the_page_is_there(
    world: World,
    sign_in: SignIn,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    name: str,
    dead: str,
) -> None:
    client = sign_in(world.alice)
    port = free_port()
    {
        "embedder": lambda: setattr(settings, "EMBEDDER_URL", nowhere()),
        "context": lambda: monkeypatch.setenv("IBEX_CONTEXT_HEALTH_URL", nowhere()),
        "memory": lambda: monkeypatch.setenv("IBEX_MEMORY_URL", nowhere()),
        "dispatcher": lambda: monkeypatch.setenv("IBEX_WORKER_HEALTH_URL", nowhere()),
        "redis": lambda: setattr(settings, "REDIS_URL", f"redis://127.0.0.1:{port}/0"),
        "postgres": lambda: monkeypatch.setenv(
            "IBEX_DATABASE_URL", f"postgres://nobody@127.0.0.1:{port}/none"
        ),
    }[name]()
    answer = client.get("/status/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert dead in page
    assert page.count('class="broken"') == 1
    assert {one for one, said in statuses().items() if said != "ok"} == {name}


def test_what_hangs_is_not_waited_for(
    world: World, sign_in: SignIn, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = Event()
    monkeypatch.setattr(storages["archive"], "check", over.wait, raising=False)
    with ExitStack() as stack:
        stack.callback(over.set)
        settings.EMBEDDER_URL = stack.enter_context(hanging())
        monkeypatch.setenv("IBEX_CONTEXT_HEALTH_URL", stack.enter_context(hanging()))
        answer = sign_in(world.alice).get("/status/")
        assert not over.is_set()  # the page came while all three still hang
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("no answer in time") == 3
    assert "Embedder, Context service, Archive store do not answer." in page


def test_a_dispatcher_that_fell_silent_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses()["dispatcher"] == "ok"
    with serve(dispatched(checks.DISPATCHER_SILENT_S + 1)) as url:
        monkeypatch.setenv("IBEX_WORKER_HEALTH_URL", url)
        assert statuses()["dispatcher"] == "failed: DispatcherSilent"
    with serve(lambda _path: "") as url:
        monkeypatch.setenv("IBEX_WORKER_HEALTH_URL", url)
        assert statuses()["dispatcher"] == "failed: DispatcherSilent"


def test_a_folder_that_cannot_be_made_is_no_store(settings: Any, tmp_path: Path) -> None:
    assert statuses()["archive"] == "ok"
    (tmp_path / "file").write_text("in the way")
    keep_archives_in(settings, tmp_path / "file" / "archive")
    assert statuses()["archive"] == "failed: NotADirectoryError"


def make_all_due(agent: Any, minutes: int) -> Session:
    """Let one row of each kind of work be due, and one passed on to a worker, and one not yet."""
    now = timezone.now()
    due = now - timedelta(minutes=minutes)
    for at, lease in ((due, None), (due, now + timedelta(minutes=1)), (now + timedelta(1), None)):
        session = make_session(
            agent,
            extract_after=at,
            extract_claimed_until=lease,
            completes_at=at,
            completion_claimed_until=lease,
        )
        make_session(agent, archive_after=at, archive_claimed_until=lease, status="completed")
        make_dead_letter(session, retry_after=at, claimed_until=lease)
        make_memory(agent, f"{at} {lease}", embed_after=at, embed_claimed_until=lease)
        make_job(agent, run_after=at, claimed_until=lease)
    return session


def test_what_waits_is_counted_in_ones_own_organization(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    make_all_due(world.scout, 5)
    make_all_due(world.spy, 180)
    make_all_due(world.spy, 240)
    for org, count, waited in ((world.acme, 1, 5), (world.elsewhere, 2, 240)):
        with django_assert_num_queries(8):  # four, and the tenant's way in and out
            waiting = read_status(org.pk).waiting
        assert [row.count for row in waiting] == [count] * len(KINDS)
        for row in waiting:
            assert row.waited is not None
            assert int(row.waited.total_seconds() // 60) == waited
    page = sign_in(world.alice).get("/status/").content.decode()
    assert page.count("5 min ago") == len(KINDS)
    assert "3 h ago" not in page
    assert sign_in(world.mallory).get("/status/").content.decode().count("4 h ago") == len(KINDS)


def test_nothing_waits_in_an_organization_without_work(world: World, sign_in: SignIn) -> None:
    page = sign_in(world.alice).get("/status/").content.decode()
    assert page.count("nothing waits") == len(KINDS)


def test_a_count_stops_past_a_thousand(world: World, sign_in: SignIn) -> None:
    due = timezone.now() - timedelta(minutes=1)
    with tenant(world.acme):
        Memory.objects.bulk_create(
            Memory(
                org_id=world.acme.pk,
                agent=world.scout,
                content=f"Fact {number}",
                content_hash=f"{number:064}",
                embed_after=due,
            )
            for number in range(1_005)
        )
    (embed,) = [row for row in read_status(world.acme.pk).waiting if row.work == "embed"]
    assert embed.count == 1_001
    assert ">1,000+<" in sign_in(world.alice).get("/status/").content.decode()


def test_the_kinds_of_work_are_the_dispatchers() -> None:
    assert [kind.name for kind in KINDS] == [name for name, _statement, _task in CLAIMS]


def connect(name: str, **fields: Any) -> None:
    now = timezone.now()
    times = {"connected_at": now, "acknowledged_at": now, "seen_at": now}
    rev = Clock.objects.get().rev
    values = {"revision": rev, "connected_revision": rev, **times, **fields}
    Proxy.objects.create(id=uuid7(), name=name, **values)


def test_proxies_say_whether_they_are_behind_or_silent(world: World, sign_in: SignIn) -> None:
    Proxy.objects.all().delete()
    rev = Clock.objects.get().rev
    connect("level")
    connect("late", revision=rev - 3)
    connect("quiet", seen_at=timezone.now() - SILENT_AFTER - timedelta(seconds=1))
    connect("gone", left_at=timezone.now())
    rows = {row.name: (row.behind, row.is_silent) for row in read_status(world.acme.pk).proxies}
    assert rows == {"level": (0, False), "late": (3, False), "quiet": (0, True)}
    page = sign_in(world.alice).get("/status/").content.decode()
    assert "3 changes behind" in page
    assert "3 connected" in page
    assert page.count('class="broken"') == 1


def test_the_side_and_the_palette_lead_there(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.member("viewer"))
    assert 'href="/status/"' in client.get("/").content.decode()
    assert 'href="/status/"' in client.get("/palette/?q=status").content.decode()
