"""An agent's memories in the console."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from agents.models import Agent
from ibex.ids import uuid7
from orgs import views
from tests.api.rows import make_memory
from tests.conftest import SignIn, World

pytestmark = pytest.mark.usefixtures("quick_passwords")


def path(agent: Agent) -> str:
    return reverse("agent-memories", args=[agent.pk])


def test_an_agents_memories_are_listed_newest_first(world: World, sign_in: SignIn) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    make_memory(world.scout, "Older fact", created_at=now - timedelta(days=1))
    make_memory(world.scout, "Newer fact", created_at=now, subject="user-7", pinned=True)
    text = sign_in(world.alice).get(path(world.scout)).content.decode()
    assert text.index("Newer fact") < text.index("Older fact")
    assert "user-7" in text
    assert "pinned" in text


def test_memories_are_narrowed_by_text_and_status(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "Ships on Fridays")
    make_memory(world.scout, "Deploys 100% of the time", status="archived")
    client = sign_in(world.alice)

    def shown(**query: str) -> tuple[bool, bool]:
        text = client.get(path(world.scout), query).content.decode()
        return "Ships on Fridays" in text, "Deploys 100%" in text

    assert shown() == (True, True)
    assert shown(q="fridays") == (True, False)
    assert shown(q="100%") == (False, True)
    assert shown(q="_") == (False, False)
    assert shown(status="archived") == (False, True)
    assert shown(status="archived", q="fridays") == (False, False)


@pytest.mark.parametrize(
    "query", [{"q": "x" * 201}, {"q": "\x00"}, {"status": "nonsense"}, {"q": "\ud800"}]
)
def test_an_invalid_filter_is_explained_and_never_an_error(
    world: World, sign_in: SignIn, query: dict[str, str]
) -> None:
    text = {name: value.encode("utf-8", "surrogatepass") for name, value in query.items()}
    answer = sign_in(world.alice).get(path(world.scout), text)
    assert answer.status_code == 200
    assert query == {"q": "\ud800"} or b'role="alert"' in answer.content


def test_pages_go_on_where_the_last_one_ended(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "ROWS", 2)
    for number in range(5):
        make_memory(world.scout, f"Fact {number}")
    client = sign_in(world.alice)
    address, seen = path(world.scout), []
    while address:
        text = client.get(address).content.decode()
        seen += [n for n in reversed(range(5)) if f"Fact {n}" in text]
        make_memory(world.scout, f"Late {len(seen)}")
        before, found, _ = text.partition('rel="next"')
        link = before.rsplit('href="', 1)[1].split('"')[0]
        address = path(world.scout) + link if found else ""
    assert seen == [4, 3, 2, 1, 0]


def test_the_next_page_keeps_the_filter(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "ROWS", 1)
    for number in range(2):
        make_memory(world.scout, f"Fact {number}")
    text = sign_in(world.alice).get(path(world.scout), {"q": "fact"}).content.decode()
    assert "?q=fact&amp;cursor=" in text


def test_the_page_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, django_assert_num_queries
) -> None:
    for number in range(10):
        make_memory(world.scout, f"Fact {number}")
    client = sign_in(world.alice)
    with django_assert_num_queries(9):
        client.get(path(world.scout))


def test_another_orgs_agent_looks_missing(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "Ships on Fridays")
    for agent_id in (world.scout.pk, uuid7()):
        answer = sign_in(world.mallory).get(reverse("agent-memories", args=[agent_id]))
        assert answer.status_code == 404
        assert b"Fridays" not in answer.content
    assert b"Fridays" in sign_in(world.alice).get(path(world.scout)).content


def test_memory_text_is_escaped(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "<script>alert(1)</script>")
    text = sign_in(world.alice).get(path(world.scout)).content
    assert b"<script" not in text
    assert b"&lt;script&gt;" in text


def test_a_long_memory_is_whole_behind_a_fold(world: World, sign_in: SignIn) -> None:
    make_memory(world.scout, "word " * 300 + "the very end")
    text = sign_in(world.alice).get(path(world.scout)).content
    assert b"<details>" in text
    assert b"the very end" in text


def test_every_role_reads_memories(world: World, sign_in: SignIn) -> None:
    for role in ("viewer", "member", "admin"):
        assert sign_in(world.member(role)).get(path(world.scout)).status_code == 200


def test_reading_takes_no_post(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    for address in ("/", path(world.scout)):
        assert client.post(address).status_code == 405
