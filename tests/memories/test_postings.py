"""The text index holds exactly what may be found, whoever writes it and however often."""

import threading
from uuid import UUID

import pytest
from django.db import connection, connections

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.indexing.postings import index_item, unindex_item
from memories.indexing.terms import count_terms
from memories.models import CorpusStatistics, Posting, TermStatistics
from tests.conftest import World


def index(world: World, item: UUID, text: str, *, subject: str | None = None) -> None:
    index_item(
        org_id=world.acme.pk,
        agent_id=world.scout.pk,
        item_id=item,
        kind=Posting.Kind.MEMORY,
        subject=subject,
        terms=count_terms(text),
    )


def unindex(world: World, item: UUID) -> None:
    unindex_item(org_id=world.acme.pk, agent_id=world.scout.pk, item_id=item)


def documents() -> dict[str, int]:
    found = TermStatistics.objects.filter(documents__gt=0)
    return dict(found.values_list("term", "documents"))


def corpus() -> tuple[int, int]:
    return CorpusStatistics.objects.values_list("documents", "total_length").get()


def test_an_indexed_item_is_counted_once_however_often_it_is_indexed(world: World) -> None:
    item = uuid7()
    with tenant(world.acme):
        for _ in range(3):
            index(world, item, "Ada likes tea. Ada drinks tea.", subject="ada")
        postings = set(
            Posting.objects.values_list("term", "item_id", "kind", "subject", "frequency", "length")
        )
        assert postings == {
            ("ada", item, 0, "ada", 2, 6),
            ("like", item, 0, "ada", 1, 6),
            ("tea", item, 0, "ada", 2, 6),
            ("drink", item, 0, "ada", 1, 6),
        }
        assert documents() == {"ada": 1, "like": 1, "tea": 1, "drink": 1}
        assert corpus() == (1, 6)


def test_a_changed_item_replaces_what_it_was(world: World) -> None:
    first, second = uuid7(), uuid7()
    with tenant(world.acme):
        index(world, first, "Ada likes tea")
        index(world, second, "Ada likes cake")
        index(world, first, "Ada prefers strong coffee")
        assert documents() == {
            "ada": 2, "like": 1, "cake": 1, "prefer": 1, "strong": 1, "coffe": 1
        }  # fmt: skip
        assert corpus() == (2, 7)
        assert Posting.objects.get(term="ada", item_id=first).length == 4


def test_an_unindexed_item_leaves_nothing_behind_however_often(world: World) -> None:
    stays, goes = uuid7(), uuid7()
    with tenant(world.acme):
        index(world, stays, "Ada likes tea")
        index(world, goes, "Ada likes cake")
        for _ in range(3):
            unindex(world, goes)
        assert set(Posting.objects.values_list("item_id", flat=True)) == {stays}
        assert documents() == {"ada": 1, "like": 1, "tea": 1}
        assert corpus() == (1, 3)


def test_an_item_without_terms_is_not_counted(world: World) -> None:
    with tenant(world.acme):
        index(world, uuid7(), "Ada")
        index(world, uuid7(), "what about it?")
        assert corpus() == (1, 1)


def test_agents_and_organizations_have_indexes_of_their_own(world: World) -> None:
    with tenant(world.acme):
        index(world, uuid7(), "Ada likes tea")
        assert documents() == {"ada": 1, "like": 1, "tea": 1}
    with tenant(world.elsewhere):
        assert not Posting.objects.exists()
        assert documents() == {}


def test_indexing_takes_two_statements(world: World, django_assert_num_queries: object) -> None:
    with tenant(world.acme), django_assert_num_queries(2):  # type: ignore[operator]
        index(world, uuid7(), "Ada likes tea")


@pytest.mark.parametrize("rounds", [15])
def test_two_writers_at_once_neither_deadlock_nor_miscount(
    committed_world: World, rounds: int
) -> None:
    """Each writes its own items, some texts in reverse order, and takes half of them out again."""
    texts = ["alpha beta gamma delta", "delta gamma beta alpha", "beta epsilon", "zeta alpha"]
    failures: list[BaseException] = []

    def write(offset: int) -> None:
        try:
            for number in range(rounds):
                item = uuid7()
                with tenant(committed_world.acme):
                    index(committed_world, item, texts[(number + offset) % len(texts)])
                    index(committed_world, uuid7(), texts[(number * 3 + offset) % len(texts)])
                with tenant(committed_world.acme):
                    unindex(committed_world, item)
        except BaseException as error:  # noqa: BLE001 - reported by the test's thread
            failures.append(error)
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(offset,)) for offset in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert failures == []
    with tenant(committed_world.acme):
        assert corpus()[0] == 2 * rounds
        with connection.cursor() as cursor:
            cursor.execute("SELECT term, count(*) FROM memories_posting GROUP BY term")
            assert documents() == dict(cursor.fetchall())
            cursor.execute("SELECT sum(frequency) FROM memories_posting")
            assert cursor.fetchone() == (corpus()[1],)
