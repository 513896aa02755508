"""Erasure finds every archive of an organization and of a person, in either kind of store."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from agents.models import Agent
from ibex.tenancy import tenant
from privacy.registry import FILES, FileStore
from sessions.models import Session
from tests.conftest import World
from tests.sessions.archives import end, ended_and_archived, files
from tests.sessions.turns import make_session

[ARCHIVES] = FILES
WITHOUT_TENANT_DATA = {"default", "staticfiles"}


def archived(agent: Agent, subject: str | None = None) -> str:
    return ended_and_archived(make_session(agent, subject=subject)).archive_key


def test_every_storage_is_registered() -> None:
    known = {store.alias for store in FILES} | WITHOUT_TENANT_DATA
    assert set(django_settings.STORAGES) == known


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_an_orgs_archives_are_all_of_them_and_nobody_elses(
    world: World, place: str, request: Any
) -> None:
    request.getfixturevalue(place)
    assert list(ARCHIVES.of_org(world.acme.pk)) == []
    ours = {archived(world.scout), archived(world.scout, "ada")}
    theirs = archived(world.spy)
    assert set(ARCHIVES.of_org(world.acme.pk)) == ours
    assert list(ARCHIVES.of_org(world.elsewhere.pk)) == [theirs]
    for name in ours:
        ARCHIVES.delete(name)
        ARCHIVES.delete(name)
    assert list(ARCHIVES.of_org(world.acme.pk)) == []
    assert list(ARCHIVES.of_org(world.elsewhere.pk)) == [theirs]


def test_a_persons_archives_are_found_by_their_sessions(world: World, folder: Path) -> None:
    hers = {archived(world.scout, "ada"), archived(world.scout, "ada")}
    archived(world.scout, "bob")
    archived(world.spy, "ada")
    with tenant(world.acme):
        assert set(ARCHIVES.of_subject(world.acme.pk, "ada")) == hers
        assert list(ARCHIVES.of_subject(world.acme.pk, "eve")) == []
    assert list(ARCHIVES.of_subject(world.acme.pk, "ada")) == []


def test_a_file_that_no_row_knows_is_found_too(world: World, folder: Path) -> None:
    """The worker was killed after the upload, or in the middle of it."""
    session = make_session(world.scout, subject="ada")
    name = ended_and_archived(session).archive_key
    unfinished = (folder / name).with_name(f".{session.pk}.ndjson.part")
    unfinished.write_text("half of what Ada said")
    with tenant(world.acme):
        Session.objects.filter(pk=session.pk).update(archive_key="", archive_version=0)
    end(session)
    assert len(list(ARCHIVES.of_org(world.acme.pk))) == 2
    with tenant(world.acme):
        for found in ARCHIVES.of_subject(world.acme.pk, "ada"):
            ARCHIVES.delete(found)
    assert files(folder) == []


def test_a_store_is_told_apart_by_its_name() -> None:
    assert [type(store) for store in FILES] == [FileStore]
    assert ARCHIVES.name == "archives"
