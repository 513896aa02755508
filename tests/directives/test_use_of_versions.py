"""What came of a version: its sessions, and how its latest calls went."""

from datetime import timedelta

import pytest

from agents.services import create_agent
from directives import usage
from directives.models import DirectiveVersion
from directives.services import push_directive
from directives.usage import Usage, usage_of
from ibex.ids import uuid7
from ibex.tenancy import tenant
from tests.api.rows import make_call, make_session
from tests.conftest import TESTS, World


@pytest.fixture
def version(world: World) -> DirectiveVersion:
    return push_directive(agent=world.scout, content="Be kind.", actor=TESTS)


def used(world: World, version: DirectiveVersion) -> Usage:
    with tenant(world.acme):
        return usage_of(world.scout, [version])[version.pk]


def test_a_version_that_nobody_ran_has_no_figures(world: World, version: DirectiveVersion) -> None:
    found = used(world, version)
    assert found == Usage(sessions=0, calls=0, failed=0)
    assert (found.tokens_per_turn, found.latency_p50_ms, found.failed_percent) == (None, None, 0)


def test_figures_are_of_turns_and_failures_of_all_calls(
    world: World, version: DirectiveVersion
) -> None:
    for tokens, latency in ((10, 100.0), (20, 300.0), (60, 900.0)):
        make_call(
            world.scout,
            directive_version=1,
            turn_id=uuid7(),
            tokens_in=tokens,
            tokens_out=5,
            latency_ms=latency,
        )
    make_call(world.scout, directive_version=1, error_code="PROVIDER_ERROR", latency_ms=9_000)
    found = used(world, version)
    assert (found.calls, found.failed, found.failed_percent) == (4, 1, 25)
    assert (found.tokens_per_turn, found.latency_p50_ms) == (35, 300)


def test_only_what_ran_the_version_counts(world: World, version: DirectiveVersion) -> None:
    other = create_agent(
        org=world.acme, name="Other", slug="other", memory_scope="agent", actor=TESTS
    )
    for agent, number in ((world.scout, 2), (world.scout, None), (other, 1), (world.spy, 1)):
        make_session(agent, directive_version=number)
        make_call(agent, directive_version=number, turn_id=uuid7())
    assert used(world, version) == Usage()
    make_session(world.scout, directive_version=1)
    make_call(world.scout, directive_version=1, turn_id=uuid7())
    found = used(world, version)
    assert (found.sessions, found.calls) == (1, 1)


def test_another_orgs_version_has_no_use_here(world: World, version: DirectiveVersion) -> None:
    make_session(world.scout, directive_version=1)
    with tenant(world.elsewhere):
        assert usage_of(world.scout, [version]) == {}
    assert used(world, version).sessions == 1


def test_the_latest_calls_alone_are_looked_at(
    world: World, version: DirectiveVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "SAMPLE", 2)
    for minutes, latency in ((3, 5.0), (2, 200.0), (1, 400.0)):
        make_call(
            world.scout,
            directive_version=1,
            turn_id=uuid7(),
            latency_ms=latency,
            created_at=version.created_at + timedelta(hours=1) - timedelta(minutes=minutes),
        )
    found = used(world, version)
    assert (found.calls, found.calls_words, found.latency_p50_ms) == (2, "2+", 300)


def test_sessions_are_counted_up_to_the_cap(
    world: World, version: DirectiveVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "CAP", 2)
    for _session in range(4):
        make_session(world.scout, directive_version=1)
    assert used(world, version).sessions == 3
    assert Usage(sessions=1_001).sessions_words == "1,000+"


def test_many_versions_are_looked_up_at_once(world: World, version: DirectiveVersion) -> None:
    second = push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    for number in (1, 2, 2):
        make_session(world.scout, directive_version=number)
    with tenant(world.acme):
        found = usage_of(world.scout, [version, second])
    assert (found[version.pk].sessions, found[second.pk].sessions) == (1, 2)
