"""Nobody sees or touches another organization's rows, whatever the code above does."""

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError

from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import current_org_id, tenant
from memories.models import Memory
from orgs.models import AuditEvent, Membership, Token
from tests.conftest import World

DEFINERS = {
    "ibex_claim_archives",
    "ibex_claim_completions",
    "ibex_claim_dead_letters",
    "ibex_claim_embeddings",
    "ibex_claim_jobs",
    "ibex_claim_learning",
    "ibex_control_acknowledge",
    "ibex_control_purge",
    "ibex_control_since",
    "ibex_count_hours",
    "ibex_ensure_partitions",
    "ibex_forget_job_rows",
    "ibex_invitation",
    "ibex_memberships",
    "ibex_note_change",
    "ibex_note_late_call",
    "ibex_record_sign_in",
    "ibex_remove_demo_organization",
    "ibex_route",
}


def test_a_tenants_rows_are_visible_inside_it_and_nowhere_else(world: World) -> None:
    with tenant(world.acme):
        assert [agent.pk for agent in Agent.objects.all()] == [world.scout.pk]
    with tenant(world.elsewhere):
        assert [agent.pk for agent in Agent.objects.all()] == [world.spy.pk]
    assert not Agent.objects.exists()


def test_nested_tenants_come_back(world: World) -> None:
    with tenant(world.acme):
        with tenant(world.elsewhere):
            assert current_org_id() == world.elsewhere.pk
        assert current_org_id() == world.acme.pk
        assert Agent.objects.filter(pk=world.scout.pk).exists()
    assert current_org_id() is None


def test_an_error_inside_a_tenant_restores_the_previous_one(world: World) -> None:
    with tenant(world.acme):
        with pytest.raises(RuntimeError), tenant(world.elsewhere):
            raise RuntimeError
        assert current_org_id() == world.acme.pk


def test_a_row_cannot_be_written_into_another_org(world: World) -> None:
    with pytest.raises(ProgrammingError), transaction.atomic(), tenant(world.acme):
        Agent.objects.create(
            org=world.elsewhere, name="Planted", slug="planted", memory_scope="agent"
        )


def test_a_row_cannot_point_at_another_orgs_row(world: World) -> None:
    with pytest.raises(IntegrityError), transaction.atomic(), tenant(world.acme):
        Memory.objects.create(
            org=world.acme, agent=world.spy, content="Planted", content_hash="0" * 64
        )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_history_cannot_be_rewritten(world: World) -> None:
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="agent.create").count() == 1
    for statement in ("DELETE FROM orgs_auditevent", "UPDATE orgs_auditevent SET reason = 'x'"):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            tenant(world.acme),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_raw_sql_sees_nothing_with_the_wrong_org_or_none(
    committed_world: World, database_url: str
) -> None:
    with psycopg.connect(database_url) as raw:
        count = "SELECT count(*) FROM agents_agent WHERE id = %s"
        scout = [committed_world.scout.pk]
        assert raw.execute(count, scout).fetchone() == (0,)
        for org, visible in ((committed_world.acme, 1), (committed_world.elsewhere, 0)):
            raw.execute("SELECT set_config('ibex.org_id', %s, true)", [str(org.pk)])
            assert raw.execute(count, scout).fetchone() == (visible,)
        raw.commit()
        assert raw.execute(count, scout).fetchone() == (0,)


def test_the_suite_runs_as_the_runtime_role(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == ("ibex_app", False, False)


def test_every_table_with_an_org_is_protected(world: World) -> None:
    """A table that holds `org_id` has forced policies; a partition is closed to the runtime."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
                   array_agg(p.polname::text ORDER BY p.polname) FILTER (WHERE p.polname IS NOT NULL),
                   has_table_privilege('ibex_app', c.oid, 'SELECT')
            FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
            LEFT JOIN pg_policy p ON p.polrelid = c.oid
            WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
            GROUP BY c.oid
        """)
        tables = cursor.fetchall()
    assert len(tables) > 15
    for name, enabled, forced, is_partition, policies, readable in tables:
        assert enabled, name
        assert forced, name
        if is_partition:
            assert (policies, readable) == (["owner"], False), name
        else:
            assert policies == ["owner", "tenant"], name


def test_every_reference_between_tenant_tables_stays_within_the_org(world: World) -> None:
    """Each `<parent>_id` column of a tenant table is part of a composite key with `org_id`."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT conrelid::regclass::text, array_agg(a.attname::text)
            FROM pg_constraint k
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
            WHERE k.contype = 'f' GROUP BY k.oid, conrelid
        """)
        keys = {(table, frozenset(columns)) for table, columns in cursor.fetchall()}
    unprotected = [
        (model._meta.db_table, f.column)
        for model in apps.get_models()
        for f in model._meta.concrete_fields
        if any(g.column == "org_id" for g in model._meta.concrete_fields)
        and f.is_relation
        and any(g.column == "org_id" for g in f.related_model._meta.concrete_fields)
        and (model._meta.db_table, frozenset({"org_id", f.column})) not in keys
    ]
    assert unprotected == []


def test_only_listed_functions_cross_tenants(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
        assert {name for (name,) in cursor.fetchall()} == DEFINERS


def test_memberships_are_found_across_orgs_but_only_ones_own(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT org_id, role FROM ibex_memberships(%s)", [world.alice.pk])
        assert cursor.fetchall() == [(world.acme.pk, "owner")]
        cursor.execute("SELECT org_id FROM ibex_memberships(%s)", [uuid7()])
        assert cursor.fetchall() == []


def test_tokens_and_memberships_are_a_tenants_too(world: World) -> None:
    world.token()
    with tenant(world.acme):
        assert Token.objects.count() == 1
        assert Membership.objects.count() == 1
    with tenant(world.elsewhere):
        assert Token.objects.count() == 0
