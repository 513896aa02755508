"""Versions from before they kept where their text goes: they get their directive's place."""

from importlib import import_module

import psycopg

from directives.models import DirectiveVersion
from directives.services import push_directive
from ibex.tenancy import tenant
from tests.conftest import TESTS, World, with_database

migration = import_module("directives.migrations.0007_place_versions")


def test_a_version_gets_the_place_of_its_directive(
    committed_world: World, owner_url: str, database_name: str
) -> None:
    world = committed_world
    for content in ("Be kind.", "Be brief."):
        push_directive(agent=world.scout, content=content, actor=TESTS)
    other = push_directive(agent=world.spy, content="Be still.", actor=TESTS)
    assert other.injection_mode == "system_first"
    found = "SELECT number, injection_mode FROM directives_directiveversion WHERE org_id = %s"
    with psycopg.connect(with_database(owner_url, database_name)) as owner:
        moved = "UPDATE directives_directive SET injection_mode = %s WHERE org_id = %s"
        owner.execute(moved, ["user_prepend", world.acme.pk])
        owner.execute(migration.FILL)
        rows = owner.execute(found, [world.acme.pk]).fetchall()
        assert sorted(rows) == [(1, "user_prepend"), (2, "user_prepend")]
        assert owner.execute(found, [world.elsewhere.pk]).fetchall() == [(1, "system_first")]
        owner.rollback()
    with tenant(world.acme):
        assert set(DirectiveVersion.objects.values_list("injection_mode", flat=True)) == {
            "system_first"
        }
