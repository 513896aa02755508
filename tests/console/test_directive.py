"""An agent's directive in the console: read, and replaced by a new version."""

from typing import Any

import pytest

from directives.models import Directive
from directives.services import push_directive
from ibex.tenancy import tenant
from tests.conftest import TESTS, SignIn, World

NEW = {
    "content": "Answer in one sentence.",
    "injection_mode": "system_append",
    "reason": "Shorter",
    "base_version": "0",
}


def page(world: World) -> str:
    return f"/agents/{world.scout.pk}/directive/"


def running(world: World) -> tuple[int, str, str] | None:
    with tenant(world.acme):
        row = Directive.objects.filter(agent=world.scout).first()
        version = row.active_version if row else None
        return (version.number, version.content, row.injection_mode) if row and version else None


def test_a_push_makes_the_next_version(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert client.post(page(world), NEW)["Location"] == page(world)
    assert running(world) == (1, "Answer in one sentence.", "system_append")
    text = client.get(page(world)).content.decode()
    assert "Version 1 is active from the next request on." in text
    assert world.alice.email in text
    assert "“Shorter”" in text


def test_line_ends_and_spaces_are_kept_as_they_were_typed(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    client.post(page(world), {**NEW, "content": "\r\n  One\r\ntwo \r\n"})
    assert running(world) == (1, "\n  One\ntwo \n", "system_append")
    assert "<output" in client.get(page(world)).content.decode()


def test_another_push_meanwhile_keeps_both_texts(world: World, sign_in: SignIn) -> None:
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    push_directive(agent=world.scout, content="Be very kind.", actor=TESTS)
    client = sign_in(world.alice)
    answer = client.post(page(world), {**NEW, "base_version": "1"})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "Version 2 was pushed while you edited version 1" in text
    assert "Answer in one sentence." in text
    assert "Be very kind." in text
    assert running(world) == (2, "Be very kind.", "system_first")
    assert client.post(page(world), {**NEW, "base_version": "2"}).status_code == 302
    assert running(world) == (3, "Answer in one sentence.", "system_append")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"reason": " "}, "This field is required."),
        ({"content": ""}, "This field is required."),
        ({"content": " \n"}, "A directive says something."),
        ({"content": "é" * 16_385}, "this one has 32,770"),
        ({"content": "a\x00b"}, "Null characters are not allowed."),
        ({"injection_mode": "nonsense"}, "Select a valid choice"),
        ({"base_version": "x"}, "Enter a whole number."),
    ],
)
def test_what_is_refused_keeps_the_text(
    world: World, sign_in: SignIn, wrong: dict[str, str], words: str
) -> None:
    answer = sign_in(world.alice).post(page(world), {**NEW, **wrong})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    if "content" not in wrong:
        assert "Answer in one sentence." in answer.content.decode()
    assert running(world) is None


def test_an_older_version_is_a_place_to_begin(world: World, sign_in: SignIn) -> None:
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    push_directive(agent=world.scout, content="Be rude.", actor=TESTS)
    client = sign_in(world.alice)
    text = client.get(f"{page(world)}?from=1").content.decode()
    editor = text.split("<textarea")[1].split("</textarea>")[0]
    assert "Be kind." in editor
    again: dict[str, Any] = {**NEW, "content": "Be kind.", "base_version": "2", "copied_from": "1"}
    client.post(page(world), again)
    assert running(world) == (3, "Be kind.", "system_append")
    for nonsense in ("99", "x", "9" * 30):
        assert client.get(f"{page(world)}?from={nonsense}").status_code == 200


def test_versions_show_what_changed(world: World, sign_in: SignIn) -> None:
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    text = sign_in(world.alice).get(page(world)).content.decode()
    assert "<del>kind.</del><ins>brief.</ins>" in text


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_who_may_not_push_reads_and_is_told_why(world: World, sign_in: SignIn, role: str) -> None:
    client = sign_in(world.member(role))
    text = client.get(page(world)).content.decode()
    assert "disabled>" in text
    assert f"Your role, {role}, does not push directives." in text
    assert client.post(page(world), NEW).status_code == 403
    assert running(world) is None


def test_another_orgs_directive_is_missing_and_unharmed(world: World, sign_in: SignIn) -> None:
    assert sign_in(world.mallory).post(page(world), NEW).status_code == 404
    assert running(world) is None
    assert sign_in(world.member("admin")).post(page(world), NEW).status_code == 302
    assert running(world) is not None


def test_directives_are_listed_by_agent(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert "Write the first" in client.get("/directives/").content.decode()
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    assert "Be kind." in client.get("/directives/").content.decode()
