"""Directives: each push is a version that stays as it was."""

import hashlib

import pytest
from django.db.utils import ProgrammingError

from directives.errors import DirectiveSize
from directives.models import MAX_BYTES, Directive, DirectiveVersion
from directives.services import push_directive
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, World


def test_each_push_is_a_new_active_version(world: World) -> None:
    first = push_directive(agent=world.scout, content="Be brief.", actor=TESTS, reason="start")
    second = push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    assert (first.number, second.number) == (1, 2)
    with tenant(world.acme):
        directive = Directive.objects.get(agent=world.scout)
        assert directive.active_version_id == second.pk
        assert directive.injection_mode == "system_first"
        assert DirectiveVersion.objects.get(number=1).content == "Be brief."


def test_a_version_cannot_be_changed(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    with pytest.raises(ProgrammingError, match="permission denied"), tenant(world.acme):
        DirectiveVersion.objects.update(content="Be rude.")


def test_the_size_is_counted_in_bytes(world: World) -> None:
    push_directive(agent=world.scout, content="é" * (MAX_BYTES // 2), actor=TESTS)
    for content in ("", "é" * (MAX_BYTES // 2 + 1)):
        with pytest.raises(DirectiveSize):
            push_directive(agent=world.scout, content=content, actor=TESTS)
    with tenant(world.acme):
        assert DirectiveVersion.objects.count() == 1


def test_the_audit_row_has_a_hash_and_no_text(world: World) -> None:
    push_directive(agent=world.scout, content="Never mention Zanzibar.", actor=TESTS)
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="directive.push")
    assert event.after == {
        "number": 1,
        "bytes": 23,
        "sha256": hashlib.sha256(b"Never mention Zanzibar.").hexdigest(),
    }
    assert "Zanzibar" not in str(vars(event))


def test_another_orgs_directive_looks_missing(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    with tenant(world.elsewhere):
        assert not Directive.objects.exists()
    with tenant(world.acme):
        assert Directive.objects.exists()
