"""A directive in the console: written as a draft, reviewed, pushed, looked back on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from directives.models import Directive, DirectiveDraft, DirectiveVersion
from directives.services import push_directive, save_draft
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import Operator
from tests.api.rows import make_call, make_session
from tests.conftest import TESTS, SignIn, World
from tests.directives.test_push_directive import operator
from tests.directives.test_push_status import acknowledge, connect_proxy
from tests.directives.test_push_status import push as pushed

Write = Callable[..., Any]


def page(world: World, more: str = "") -> str:
    return f"/agents/{world.scout.pk}/directive/{more}"


def written(content: str = "Answer in one sentence.", **fields: Any) -> dict[str, Any]:
    """What the editor of a first directive sends."""
    return {
        "content": content,
        "injection_mode": "system_first",
        "base_mode": "system_first",
        "base_version": "0",
        "revision": "0",
        **fields,
    }


def running(world: World) -> tuple[int, str, str] | None:
    with tenant(world.acme):
        row = Directive.objects.filter(agent=world.scout).first()
        version = row.active_version if row else None
        return (version.number, version.content, row.injection_mode) if row and version else None


def draft_of(world: World, person: Operator) -> DirectiveDraft | None:
    with tenant(world.acme):
        return DirectiveDraft.objects.of(world.scout, operator(person)).first()


def push(world: World, content: str, **options: Any) -> DirectiveVersion:
    return push_directive(agent=world.scout, content=content, actor=TESTS, **options)


def editor_text(answer: Any) -> str:
    return answer.content.decode().split("<textarea")[1].split(">", 1)[1].split("</textarea>")[0]


# Writing


def test_what_is_typed_is_saved_as_a_draft(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    answer = client.post(page(world, "draft/"), written())
    assert answer.status_code == 200
    assert "Saved" in answer.content.decode()
    assert 'data-revision="1"' in answer.content.decode()
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert (draft.content, draft.injection_mode) == ("Answer in one sentence.", None)
    assert "Answer in one sentence." in editor_text(client.get(page(world)))
    assert running(world) is None


def test_without_scripts_a_button_saves_and_another_reviews(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert client.post(page(world), written())["Location"] == page(world)
    answer = client.post(page(world), written("Be kind.", revision="1", review="1"))
    assert answer["Location"] == page(world, "review/")
    text = client.get(page(world, "review/")).content.decode()
    assert "<ins>Be kind.</ins>" in text


def test_line_ends_and_spaces_are_kept_as_they_were_typed(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    client.post(page(world, "draft/"), written("\r\n  One\r\ntwo \r\n"))
    client.post(page(world, "review/"), {"reason": "Start", "revision": "1"})
    assert running(world) == (1, "\n  One\ntwo \n", "system_first")
    assert editor_text(client.get(page(world))) == "\n\n  One\ntwo \n"  # HTML eats the first


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"content": "é" * 65_537}, "A draft has at most 131,072 bytes; this one has 131,074."),
        ({"content": "a\x00b"}, "Null characters are not allowed."),
        ({"injection_mode": "nonsense"}, "Select a valid choice"),
        ({"base_version": "x"}, "Enter a whole number."),
        ({"base_version": "7"}, "There is no version 7."),
        ({"revision": ""}, "This field is required."),
    ],
)
def test_what_is_refused_keeps_the_text(
    world: World, sign_in: SignIn, wrong: dict[str, str], words: str
) -> None:
    client = sign_in(world.alice)
    small = client.post(page(world, "draft/"), {**written(), **wrong})
    whole = client.post(page(world), {**written(), **wrong})
    for answer in (small, whole):
        assert answer.status_code == 400
        assert words in answer.content.decode()
    if "content" not in wrong:
        assert "Answer in one sentence." in editor_text(whole)
    assert draft_of(world, world.alice) is None


def test_an_operators_saving_never_touches_a_colleagues_draft(
    world: World, sign_in: SignIn
) -> None:
    bob = world.member("member")
    for person in (world.alice, bob):
        sign_in(person).post(page(world, "draft/"), written(f"By {person.email}"))
    for person in (world.alice, bob):
        draft = draft_of(world, person)
        assert draft is not None
        assert draft.content == f"By {person.email}"
    text = sign_in(bob).get(page(world)).content.decode()
    assert "Alice</bdi> is also editing" in text
    assert f"By {world.alice.email}" not in text
    beside = sign_in(bob).get(page(world), headers={"HX-Request": "true"}).content.decode()
    assert "is also editing" in beside
    assert "<textarea" not in beside


def test_another_window_of_ones_own_is_noticed_and_both_texts_are_there(
    world: World, sign_in: SignIn
) -> None:
    client = sign_in(world.alice)
    client.post(page(world, "draft/"), written("From the left window."))
    late = client.post(page(world, "draft/"), written("From the right window."))
    assert late.status_code == 409
    assert "from another window" in late.content.decode()
    whole = client.post(page(world), written("From the right window."))
    assert whole.status_code == 409
    assert "From the right window." in editor_text(whole)
    assert "<del>left</del>" in whole.content.decode()
    assert 'name="revision" value="1"' in whole.content.decode()
    assert (
        client.post(page(world), written("From the right window.", revision="1")).status_code == 302
    )
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert draft.content == "From the right window."


def begun(world: World, client: Client) -> DirectiveDraft:
    """Let Alice save a first draft, on top of a first version."""
    push(world, "Be kind.")
    client.post(page(world, "draft/"), written("Be kinder.", base_version="1"))
    draft = draft_of(world, world.alice)
    assert draft is not None
    return draft


@pytest.mark.parametrize("ending", ["push", "discard"])
def test_a_window_on_a_draft_that_ended_replaces_nothing_of_the_next(
    world: World, sign_in: SignIn, ending: str
) -> None:
    client = sign_in(world.alice)
    ended = begun(world, client)
    old = {"base_version": "1", "revision": "1", "draft": str(ended.pk)}
    assert str(ended.pk) in client.get(page(world)).content.decode()
    if ending == "push":
        client.post(page(world, "review/"), {"reason": "Kinder", "revision": "1"})
    else:
        client.post(page(world, "draft/discard/"))
    client.post(page(world, "draft/"), written("Another thought.", base_version="1"))
    late = client.post(page(world), written("From the old window.", **old))
    assert late.status_code == 409
    assert "From the old window." in editor_text(late)
    now = draft_of(world, world.alice)
    assert now is not None
    assert (now.content, now.revision) == ("Another thought.", 1)
    again = written("From the old window.", **{**old, "draft": str(now.pk)})
    assert client.post(page(world), again).status_code == 302  # seen, and sent again


@pytest.mark.parametrize("path", ["review/", "versions/1/edit/"])
def test_a_page_about_a_draft_that_ended_neither_pushes_nor_replaces_the_next(
    world: World, sign_in: SignIn, path: str
) -> None:
    client = sign_in(world.alice)
    ended = begun(world, client)
    assert (
        f'name="draft" value="{ended.pk}"'
        in client.get(page(world, path.replace("edit/", ""))).content.decode()
    )
    client.post(page(world, "draft/discard/"))
    client.post(page(world, "draft/"), written("Another thought.", base_version="1"))
    form = {"reason": "So", "base_version": "1", "revision": "1", "draft": str(ended.pk)}
    assert client.post(page(world, path), form).status_code == 409
    now = draft_of(world, world.alice)
    assert now is not None
    assert now.content == "Another thought."
    assert client.post(page(world, path), {**form, "draft": str(now.pk)}).status_code == 302


def test_a_draft_is_thrown_away(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    client = sign_in(world.alice)
    client.post(page(world, "draft/"), written("Be rude.", base_version="1"))
    assert "Be rude." in editor_text(client.get(page(world)))
    assert client.post(page(world, "draft/discard/"))["Location"] == page(world)
    assert "Be kind." in editor_text(client.get(page(world)))
    assert draft_of(world, world.alice) is None


def test_whoever_throws_a_draft_away_is_asked_first(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    asks = 'type="button" popovertarget="discard"'
    assert '<p id="discard-words"></p>' in client.get(page(world)).content.decode()  # hides it
    saved = client.post(page(world, "draft/"), written("Überall.")).content.decode()
    text = client.get(page(world)).content.decode()
    before, dialog = text.split('<div id="discard" class="card dialog" popover')
    assert asks in before
    assert "Throw my draft away" in before
    assert "draft/discard/" not in before
    assert f"<bdi>{world.scout.name}</bdi>?" in dialog
    draft = draft_of(world, world.alice)
    assert draft is not None
    for said in (dialog, saved):  # each save tells the open page how much it is now
        assert "9 bytes, saved <time" in said
        assert draft.updated_at.isoformat() in said.split("9 bytes")[1]
    assert '<p id="discard-words" hx-swap-oob="true">' in saved
    viewer = sign_in(world.member("viewer"))
    assert "discard" not in viewer.get(page(world)).content.decode()


def test_a_colleagues_draft_is_seen_and_taken_over(world: World, sign_in: SignIn) -> None:
    bob = world.member("member")
    push(world, "Be kind.")
    theirs = save_draft(
        agent=world.scout,
        actor=operator(bob),
        content="Be kinder.",
        base_version=1,
        injection_mode="system_append",
        reason="Asked for",
    )
    client = sign_in(world.alice)
    there = page(world, f"drafts/{theirs.pk}/")
    text = client.get(there).content.decode()
    assert "<ins>kinder.</ins>" in text
    assert "Asked for" in text
    for _twice in range(2):
        answer = client.post(there + "take/", {"revision": "0"})
        assert answer["Location"] == page(world)
    mine = draft_of(world, world.alice)
    assert mine is not None
    assert (mine.content, mine.injection_mode, mine.reason) == (
        "Be kinder.",
        "system_append",
        "Asked for",
    )
    assert mine.revision == 1
    save_draft(agent=world.scout, actor=operator(world.alice), content="Mine", base_version=1)
    assert 'name="revision" value="2"' in client.get(there).content.decode()
    client.post(there + "take/", {"revision": "2"})
    mine = draft_of(world, world.alice)
    assert mine is not None
    assert mine.content == "Be kinder."
    assert draft_of(world, bob) is not None


def test_a_copy_of_a_colleagues_draft_replaces_no_later_text_of_ones_own(
    world: World, sign_in: SignIn, write: Write
) -> None:
    theirs = write("Theirs.", person=world.member("member"))
    client, there = sign_in(world.alice), page(world, f"drafts/{theirs.pk}/")
    assert 'name="revision" value="0"' in client.get(there).content.decode()
    write("Mine, from another window.")
    for _twice in range(2):
        answer = client.post(there + "take/", {"revision": "0"})
        text = answer.content.decode()
        assert answer.status_code == 409
        assert "Your draft was saved from another window" in text
        assert "From your draft to theirs" in text
        assert "from another window.</del>" in text
        assert "<ins>Theirs" in text
        assert 'name="revision" value="1"' in text
    assert client.post(there + "take/").status_code == 400
    mine = draft_of(world, world.alice)
    assert mine is not None
    assert (mine.content, mine.revision) == ("Mine, from another window.", 1)


# Review and push


@pytest.fixture
def write(world: World) -> Write:
    """Save a draft of Alice's, without the console."""

    def _write(content: str, base: int = 0, person: Operator | None = None, **more: Any) -> Any:
        actor = operator(person or world.alice)
        return save_draft(
            agent=world.scout, actor=actor, content=content, base_version=base, **more
        )

    return _write


def test_a_push_makes_the_next_version_and_shows_who_runs_it(
    world: World, sign_in: SignIn, write: Write
) -> None:
    write("Answer in one sentence.", injection_mode="system_append")
    client = sign_in(world.alice)
    answer = client.post(page(world, "review/"), {"reason": "Shorter", "revision": "1"})
    assert answer["Location"] == page(world, "pushes/1/")
    assert running(world) == (1, "Answer in one sentence.", "system_append")
    text = client.get(answer["Location"]).content.decode()
    assert "Version 1 is active from the next request on." in text
    assert "Alice" in text
    assert "Shorter" in text
    assert "No proxy is connected." in text
    assert draft_of(world, world.alice) is None


def test_a_silent_proxy_is_neither_connected_nor_in_sync(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    client = sign_in(world.alice)
    connect_proxy("proxy-here", 2**40)
    shown = client.get(page(world, "pushes/1/")).content.decode()
    assert "1 of 1 in sync" in shown
    assert "silent" not in shown
    heard = timezone.now() - timedelta(minutes=3)
    connect_proxy("proxy-mute", 2**40, seen_at=heard)
    shown = client.get(page(world, "pushes/1/")).content.decode()
    assert "1 of 1 in sync" in shown
    assert "1 silent" in shown
    row = shown.split("proxy-mute")[1].split("</tr>")[0]
    assert "silent, away since" in row
    assert f'datetime="{heard:%Y-%m-%dT%H:%M}' in row
    assert "1 of 1" in client.get("/directives/").content.decode()


def test_proxies_that_did_not_acknowledge_a_push_are_told_again(
    world: World, sign_in: SignIn
) -> None:
    _version, rev = pushed(world, "Be kind.")
    late = connect_proxy("proxy-late", rev - 1)
    connect_proxy("proxy-here", rev)
    client = sign_in(world.alice)
    shown = client.get(page(world, "pushes/1/")).content.decode()
    button = shown.split('id="tell-again"')[1]
    assert "disabled" not in button.split(">")[0]
    assert "1 connected proxy has not acknowledged it." in button
    answer = client.post(page(world, "pushes/1/retry/"))
    assert answer["Location"] == page(world, "pushes/1/")
    shown = client.get(answer["Location"]).content.decode()
    assert "Every proxy is told of version 1 again: 1 had not acknowledged it." in shown
    assert "1 of 2 in sync" in shown
    acknowledge(late, rev)
    shown = client.get(page(world, "pushes/1/")).content.decode()
    button = shown.split('id="tell-again"')[1]
    assert "disabled" in button.split(">")[0]
    assert "Every connected proxy runs it." in button
    refused = client.post(page(world, "pushes/1/retry/"))
    assert refused.status_code == 409
    assert "none is to be told again" in refused.content.decode()


def test_nobody_is_told_again_of_a_version_that_was_replaced(world: World, sign_in: SignIn) -> None:
    _version, rev = pushed(world, "Be kind.")
    pushed(world, "Be brief.")
    connect_proxy("proxy-late", rev - 1)
    client = sign_in(world.alice)
    shown = client.get(page(world, "pushes/1/")).content.decode()
    button = shown.split('id="tell-again"')[1]
    assert "disabled" in button.split(">")[0]
    assert "Another version is active" in button
    refused = client.post(page(world, "pushes/1/retry/"))
    assert refused.status_code == 409
    assert "Version 2 took the place of version 1." in refused.content.decode()
    button = client.get(page(world, "pushes/2/")).content.decode().split('id="tell-again"')[1]
    assert "disabled" not in button.split(">")[0]


def test_the_table_on_the_review_tells_nobody_again(
    world: World, sign_in: SignIn, write: Write
) -> None:
    """A reason that was typed there would be lost."""
    _version, rev = pushed(world, "Be kind.")
    connect_proxy("proxy-late", rev - 1)
    write("Be brief.", 1)
    client = sign_in(world.alice)
    assert "tell-again" not in client.get(page(world, "review/")).content.decode()
    for where, there in (("review/", False), ("pushes/1/", True)):
        headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page(world, where)}"}
        renewed = client.get(page(world, "pushes/1/"), headers=headers).content.decode()
        assert "proxy-late" in renewed
        assert ("tell-again" in renewed) is there


def test_the_review_shows_changes_checks_and_whom_it_affects(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.\nNever promise a time.")
    key = "sk-" + "a1B2c3D4e5F6g7H8i9J0"
    write(f"Be brief.\nNever promise a time.\nUse {key}.", 1, injection_mode="user_prepend")
    text = sign_in(world.alice).get(page(world, "review/")).content.decode()
    assert "Review version 2" in text
    assert "<del>kind.</del>" in text
    assert "<ins>brief.</ins>" in text
    assert "It seems to hold an API key, line 3." in text
    assert "of 32,768 bytes" in text
    assert "live sessions" in text
    assert '<del><span class="unseen">before: </span>As the first system message</del>' in text
    assert "now: </span>Before the user&#x27;s message</ins>" in text


def test_spaces_are_left_out_of_a_review_on_request(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.")
    write("Be  kind. ", 1)
    client = sign_in(world.alice)
    assert "Ignore spaces" in client.get(page(world, "review/")).content.decode()
    text = client.get(page(world, "review/?whitespace=ignore")).content.decode()
    assert "No difference but spaces." in text
    assert client.get(page(world, "review/?whitespace=maybe")).status_code == 404


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Empty. A directive says something."),
        (" \n", "Empty. A directive says something."),
        ("é" * 16_385, "32,770 of 32,768 bytes: shorten it by 2 bytes."),
    ],
)
def test_what_cannot_be_pushed_is_said_at_the_review(
    world: World, sign_in: SignIn, write: Write, content: str, words: str
) -> None:
    write(content)
    client = sign_in(world.alice)
    text = client.get(page(world, "review/")).content.decode()
    assert words in text
    assert "The checks above forbid it." in text
    answer = client.post(page(world, "review/"), {"reason": "x", "revision": "1"})
    assert answer.status_code == 400
    assert running(world) is None


def test_a_push_needs_a_reason(world: World, sign_in: SignIn, write: Write) -> None:
    write("Be kind.")
    client = sign_in(world.alice)
    for reason in ("", "  ", "x" * 501):
        answer = client.post(page(world, "review/"), {"reason": reason, "revision": "1"})
        assert answer.status_code == 400
    assert running(world) is None


def test_only_what_was_reviewed_is_pushed(world: World, sign_in: SignIn, write: Write) -> None:
    write("Be kind.")
    write("Be rude.")
    client = sign_in(world.alice)
    answer = client.post(page(world, "review/"), {"reason": "Kinder", "revision": "1"})
    assert answer.status_code == 409
    assert "saved again since you reviewed it" in answer.content.decode()
    assert "Be rude." in answer.content.decode()
    assert ">\nKinder</textarea>" in answer.content.decode()
    assert running(world) is None
    client.post(page(world, "review/"), {"reason": "Kinder", "revision": "2"})
    assert running(world) == (1, "Be rude.", "system_first")


def test_a_draft_that_changes_nothing_is_not_pushed(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.")
    write("Be kind.", 1)
    text = sign_in(world.alice).get(page(world, "review/")).content.decode()
    assert "there is nothing to push" in text
    sign_in(world.alice).post(page(world, "review/"), {"reason": "Again", "revision": "1"})
    assert running(world) == (1, "Be kind.", "system_first")


def test_where_the_text_goes_is_pushed_as_a_new_version(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    client = sign_in(world.alice)
    moved = written("Be kind.", base_version="1", injection_mode="system_append")
    client.post(page(world, "draft/"), moved)
    client.post(page(world, "review/"), {"reason": "Theirs first", "revision": "1"})
    assert running(world) == (2, "Be kind.", "system_append")


def test_a_place_in_the_prompt_that_was_not_touched_is_not_set_back(
    world: World, sign_in: SignIn
) -> None:
    push(world, "Be kind.", injection_mode="user_prepend")
    client = sign_in(world.alice)
    client.post(page(world, "draft/"), written("Be kinder.", base_version="1"))
    client.post(page(world, "review/"), {"reason": "Kinder", "revision": "1"})
    assert running(world) == (2, "Be kinder.", "user_prepend")


def test_a_push_meanwhile_keeps_both_texts_and_lets_the_operator_merge(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.\nBe brief.")
    write("Be kind.\nBe very brief.", 1)
    client = sign_in(world.alice)
    assert client.get(page(world, "review/")).status_code == 200
    push(world, "Be kinder.\nBe brief.", reason="Complaints")
    for answer in (
        client.post(page(world, "review/"), {"reason": "Shorter", "revision": "1"}),
        client.get(page(world, "review/")),
    ):
        text = answer.content.decode()
        assert answer.status_code == 409
        assert "Version 2 was pushed while you wrote on top of <a" in text
        assert ">version 1</a>" in text
        assert "Complaints" in text
        assert "Be very brief." in editor_text(answer)
        assert "<ins>kinder.</ins>" in text
        assert "<ins>very </ins>" in text
    assert running(world) == (2, "Be kinder.\nBe brief.", "system_first")
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert draft.content == "Be kind.\nBe very brief."

    still = written("Be kinder.\nBe very", base_version="1", revision="1")
    client.post(page(world, "draft/"), still)
    assert client.get(page(world, "review/")).status_code == 409  # typing alone settles nothing
    merged = written("Be kinder.\nBe very brief.", base_version="1", revision="2", merged="2")
    assert client.post(page(world), merged)["Location"] == page(world, "review/")
    client.post(page(world, "review/"), {"reason": "Both", "revision": "3"})
    assert running(world) == (3, "Be kinder.\nBe very brief.", "system_first")


MOVED = ["As the first system message", "After the client&#x27;s own system message"]


def test_a_conflict_shows_where_either_side_moved_the_text(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.")
    write("Be kind.", 1, injection_mode="user_prepend")
    push(world, "Be kind.", injection_mode="system_append")
    answer = sign_in(world.alice).get(page(world, "review/"))
    assert answer.status_code == 409
    theirs, mine = answer.content.decode().split(">Settings</span>")[1:]
    assert all(words in theirs for words in MOVED)
    assert MOVED[0] in mine
    assert "Before the user&#x27;s message</ins>" in mine
    write("Be kind.", 1)
    left = sign_in(world.alice).get(page(world, "review/")).content.decode()
    assert "as it is" in left.split(">Settings</span>")[2]


def test_a_push_waits_for_no_other_first_version_either(
    world: World, sign_in: SignIn, write: Write
) -> None:
    write("Be brief.")
    push(world, "Be kind.")
    answer = sign_in(world.alice).get(page(world, "review/"))
    assert answer.status_code == 409
    assert "What they wrote" in answer.content.decode()


def test_there_is_no_review_without_a_draft(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert client.get(page(world, "review/"))["Location"] == page(world)
    assert "There is no draft to review." in client.get(page(world)).content.decode()


# Looking back


def test_any_two_versions_are_compared(world: World, sign_in: SignIn) -> None:
    for text in ("Be kind.", "Be brief.", "Be  brief."):
        push(world, text)
    client = sign_in(world.alice)
    text = client.get(page(world, "versions/?base=1&head=2")).content.decode()
    assert "From version 1 to version 2" in text
    assert "<del>kind.</del>" in text
    assert "<ins>brief.</ins>" in text
    back = client.get(page(world, "versions/?base=2&head=1")).content.decode()
    assert "<ins>kind.</ins>" in back
    spaces = client.get(page(world, "versions/?base=2&head=3&whitespace=ignore")).content.decode()
    assert "No difference but spaces." in spaces
    assert (
        "From nothing to version 1"
        in client.get(page(world, "versions/?base=0&head=1")).content.decode()
    )


def test_the_layout_of_a_difference_is_in_its_address(
    world: World, sign_in: SignIn, write: Write
) -> None:
    for text in ("Be kind.", "Be brief."):
        push(world, text)
    write("Be both.", 2)
    client = sign_in(world.alice)
    for where in ("versions/?base=1&head=2&", "review/?"):
        unified = client.get(page(world, where)).content.decode()
        assert 'value="unified" checked' in unified
        assert "layout=split" not in unified
        split = client.get(page(world, f"{where}layout=split")).content.decode()
        assert 'value="split" checked' in split
        assert 'value="unified" checked' not in split
        links = [part.split('"')[0] for part in split.split('data-compares href="')[1:]]
        assert links
        for link in links:
            assert link.endswith("layout=split")
            path = link.replace("&amp;", "&").rpartition("?")[2]
            again = client.get(page(world, f"{where.split('?')[0]}?{path}")).content.decode()
            assert 'value="split" checked' in again
        assert client.get(page(world, f"{where}layout=round")).status_code == 404
    kept = client.get(page(world, "versions/?base=1&head=2&whitespace=ignore")).content.decode()
    assert "base=2&amp;head=1&amp;whitespace=ignore" in kept
    assert 'name="whitespace" value="ignore">' in kept


def test_two_versions_differ_in_where_the_text_goes_too(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    push(world, "Be kinder.")
    push(world, "Be kinder.", injection_mode="system_append")
    client = sign_in(world.alice)
    text = client.get(page(world, "versions/?base=1&head=3")).content.decode()
    before, after = (text.index(words) for words in MOVED)
    assert before < after
    assert text[before - 41 : before].count("<del>")
    back = client.get(page(world, "versions/?base=3&head=1")).content.decode()
    assert back.index(MOVED[1]) < back.index(MOVED[0])
    same = client.get(page(world, "versions/?base=1&head=2")).content.decode()
    assert "as it is" in same.split(">Settings</span>")[1]
    first = client.get(page(world, "versions/?base=0&head=1")).content.decode()
    assert f"now: </span>{MOVED[0]}</ins>" in first
    assert MOVED[1] in client.get(page(world, "versions/3/")).content.decode()
    assert MOVED[1] not in client.get(page(world, "versions/2/")).content.decode()


@pytest.mark.parametrize("query", ["base=1&head=99", "base=x&head=1", "base=1&head=-1"])
def test_versions_that_never_were_are_a_missing_page(
    world: World, sign_in: SignIn, query: str
) -> None:
    push(world, "Be kind.")
    assert sign_in(world.alice).get(page(world, f"versions/?{query}")).status_code == 404
    assert sign_in(world.alice).get(page(world, "versions/?base=1")).status_code == 200


def test_the_timeline_says_who_why_and_when(world: World, sign_in: SignIn) -> None:
    push_directive(
        agent=world.scout, content="Be kind.", actor=operator(world.alice), reason="Complaints"
    )
    push(world, "Be brief.")
    text = sign_in(world.alice).get(page(world, "versions/")).content.decode()
    assert "Complaints" in text
    assert "Alice" in text
    assert text.index("Version 2") < text.index("Version 1")


def row_of(text: str, number: int) -> str:
    """Return one version's row of the timeline."""
    return text.split(f'id="version-{number}"')[1].split("</tr>", maxsplit=1)[0]


def test_the_timeline_says_until_when_each_version_was_active(
    world: World, sign_in: SignIn
) -> None:
    pushed = [push(world, f"Be number {number}.") for number in range(27)]
    client = sign_in(world.alice)
    first = client.get(page(world, "versions/")).content.decode()
    assert "until now" in row_of(first, 27)
    assert "until now" not in row_of(first, 26)
    cursor = first.split("cursor=")[1].split('"')[0].split("&")[0]
    second = client.get(page(world, f"versions/?cursor={cursor}")).content.decode()
    for text, number in ((first, 26), (second, 2)):  # the first row of a page has an end too
        row = row_of(text, number)
        assert pushed[number - 1].created_at.isoformat() in row
        assert pushed[number].created_at.isoformat() in row


def test_the_timeline_leads_to_the_sessions_that_it_counts(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    push(world, "Be brief.")
    names = [make_session(world.scout, directive_version=1).external_id for _twice in range(2)]
    failed = make_session(world.scout, directive_version=2, error_count=1).external_id
    calm = make_session(world.scout, directive_version=2).external_id
    make_call(world.scout, directive_version=2, turn_id=uuid7(), tokens_in=1_200, latency_ms=1_800)
    make_call(world.scout, directive_version=2, status=502, error_code="PROVIDER_ERROR")
    client = sign_in(world.alice)
    text = client.get(page(world, "versions/")).content.decode()
    there = f"/agents/{world.scout.pk}/sessions/?directive_version="
    assert f'<a href="{there}1">2</a>' in row_of(text, 1)
    shown = client.get(f"{there}1").content.decode()
    assert all(name in shown for name in names)
    assert failed not in shown
    row = row_of(text, 2)
    assert f'href="{there}2&amp;has_errors=true"' in row
    assert all(words in row for words in (">50 %</a>", ">1,200</td>", ">1.8 s</td>"))
    shown = client.get(f"{there}2&has_errors=true").content.decode()
    assert failed in shown
    assert calm not in shown
    about = client.get(page(world, "versions/2/")).content.decode()
    assert "2 ran it last" in about
    assert "2, 50 % failed; 1,200 tokens a turn, p50 1.8 s" in about


def test_versions_page_by_page(world: World, sign_in: SignIn) -> None:
    for number in range(1, 28):
        push(world, f"Be number {number}.")
    client = sign_in(world.alice)
    first = client.get(page(world, "versions/")).content.decode()
    assert 'id="version-27"' in first
    assert 'id="version-2"' not in first
    cursor = first.split("cursor=")[1].split('"')[0].split("&")[0]
    second = client.get(page(world, f"versions/?cursor={cursor}")).content.decode()
    assert 'id="version-2"' in second
    assert 'id="version-27"' not in second


def test_an_older_version_is_a_place_to_begin(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    client = sign_in(world.alice)
    assert "Be kind." in client.get(page(world, "versions/1/")).content.decode()
    said = {"revision": "0", "base_version": "2"}
    for _twice in range(2):
        answer = client.post(page(world, "versions/1/edit/"), said)
        assert answer["Location"] == page(world)
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert (draft.content, draft.base_version, draft.revision) == ("Be kind.", 2, 1)


def test_editing_from_a_version_begins_where_its_text_went(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.", injection_mode="user_prepend")
    push(world, "Be kind.", injection_mode="system_first")
    client = sign_in(world.alice)
    said = {"revision": "0", "base_version": "2"}
    client.post(page(world, "versions/1/edit/"), said)
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert (draft.content, draft.injection_mode) == ("Be kind.", "user_prepend")
    assert "It would be replaced" in client.get(page(world, "versions/2/")).content.decode()
    client.post(page(world, "review/"), {"reason": "As it was", "revision": "1"})
    assert running(world) == (3, "Be kind.", "user_prepend")


def test_a_draft_is_not_replaced_unasked(world: World, sign_in: SignIn, write: Write) -> None:
    push(world, "Be kind.")
    write("Hours of work.", 1)
    client = sign_in(world.alice)
    for _twice in range(2):
        answer = client.post(
            page(world, "versions/1/edit/"), {"revision": "0", "base_version": "1"}
        )
        text = answer.content.decode()
        assert answer.status_code == 409
        assert "From your draft to this version" in text
        assert "<del>Hours of work.</del>" in text
        assert "<ins>Be kind.</ins>" in text
    assert client.post(page(world, "versions/1/edit/")).status_code == 400
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert draft.content == "Hours of work."
    text = client.get(page(world, "versions/1/")).content.decode()
    assert "Replace my draft" in text
    assert 'name="revision" value="1"' in text
    client.post(page(world, "versions/1/edit/"), {"revision": "1", "base_version": "1"})
    draft = draft_of(world, world.alice)
    assert draft is not None
    assert draft.content == "Be kind."


def test_a_version_is_rolled_back_to_with_a_reason(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    client, there = sign_in(world.alice), page(world, "versions/1/roll-back/")
    assert client.post(there, {"base_version": "2", "reason": " "}).status_code == 400
    answer = client.post(there, {"base_version": "2", "reason": "Complaints"})
    assert answer["Location"] == page(world, "pushes/3/")
    assert running(world) == (3, "Be kind.", "system_first")
    assert "copied from version 1" in client.get(page(world, "versions/")).content.decode()


def test_a_roll_back_after_somebody_elses_push_is_refused(world: World, sign_in: SignIn) -> None:
    for text in ("Be kind.", "Be rude.", "Be fair."):
        push(world, text)
    there = page(world, "versions/1/roll-back/")
    answer = sign_in(world.alice).post(there, {"base_version": "2", "reason": "Complaints"})
    assert answer.status_code == 409
    assert "Version 3 is active since you began from version 2." in answer.content.decode()
    assert running(world) == (3, "Be fair.", "system_first")


# Roles and organizations


CHANGES = {
    "": written(),
    "draft/": written(),
    "draft/discard/": {},
    "review/": {"reason": "x", "revision": "1"},
    "versions/1/edit/": {"base_version": "1", "revision": "0"},
    "versions/1/roll-back/": {"reason": "x", "base_version": "1"},
    "versions/1/copy/": {},
    "pushes/1/retry/": {},
}
MAY = {
    "viewer": set(),
    "member": {"", "draft/", "draft/discard/", "versions/1/edit/", "versions/1/copy/"},
    "admin": set(CHANGES),
}


@pytest.mark.parametrize("role", list(MAY))
def test_each_role_does_what_it_may(world: World, sign_in: SignIn, write: Write, role: str) -> None:
    push(world, "Be kind.")
    for path, said in CHANGES.items():
        person = world.member(role)
        write("Be brief.", 1, person)
        answer = sign_in(person).post(page(world, path), {**said, "revision": "1"})
        assert (answer.status_code == 403) != (path in MAY[role]), (path, answer.status_code)


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_who_may_not_push_is_told_why(
    world: World, sign_in: SignIn, write: Write, role: str
) -> None:
    push(world, "Be kind.")
    push(world, "Be brief.")
    person = world.member(role)
    write("Be rude.", 2, person)
    client = sign_in(person)
    for path in ("review/", "versions/1/", "pushes/2/"):
        text = client.get(page(world, path)).content.decode()
        assert "disabled>" in text, path
        assert f"Your role, {role}, does not push directives." in text, path


def test_a_viewer_reads_the_editor(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    text = sign_in(world.member("viewer")).get(page(world)).content.decode()
    assert "readonly" in text
    assert "hx-post" not in text
    assert "Your role, viewer, does not write directives." in text


def test_a_version_pushed_meanwhile_is_met_at_the_review(world: World, sign_in: SignIn) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    client = sign_in(world.alice)
    assert (
        'name="base_version" value="2"' in client.get(page(world, "versions/1/")).content.decode()
    )
    push(world, "Be brief.")
    client.post(page(world, "versions/1/edit/"), {"revision": "0", "base_version": "2"})
    assert client.get(page(world, "review/")).status_code == 409
    assert running(world) == (3, "Be brief.", "system_first")


def test_another_orgs_directive_is_missing_and_unharmed(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    draft = write("Be brief.", 2)
    reads = ["", "review/", "versions/", "versions/1/", "pushes/1/", f"drafts/{draft.pk}/"]
    client = sign_in(world.mallory)
    for path in reads:
        assert client.get(page(world, path)).status_code == 404, path
    for path, said in {**CHANGES, f"drafts/{draft.pk}/take/": {"revision": "0"}}.items():
        assert client.post(page(world, path), said).status_code == 404, path
    assert running(world) == (2, "Be rude.", "system_first")
    mine = sign_in(world.alice)
    for path in reads:
        assert mine.get(page(world, path)).status_code == 200, path


def test_every_page_asks_who_is_there_first(world: World, write: Write) -> None:
    push(world, "Be kind.")
    for path in ("", "review/", "versions/", "versions/1/", "pushes/1/"):
        assert "/accounts/" in Client().get(page(world, path))["Location"], path


@pytest.mark.parametrize("path", ["versions/9/", "pushes/9/", "versions/99999999999999999999/"])
def test_a_version_that_never_was_is_a_missing_page(
    world: World, sign_in: SignIn, path: str
) -> None:
    push(world, "Be kind.")
    assert sign_in(world.alice).get(page(world, path)).status_code == 404


def test_every_link_of_a_version_leads_somewhere(
    world: World, sign_in: SignIn, write: Write
) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    write("Be brief.", 2)
    client = sign_in(world.alice)
    for path in ("", "review/", "versions/", "versions/1/", "pushes/2/"):
        text = client.get(page(world, path)).content.decode()
        for link in {part.split('"')[0] for part in text.split('href="/')[1:]}:
            if not link.startswith("static/"):
                found = client.get("/" + link.replace("&amp;", "&"))
                assert found.status_code in {200, 302}, (path, link)


def test_no_text_reaches_the_logs(
    world: World, sign_in: SignIn, capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    client = sign_in(world.alice)
    client.raise_request_exception = False
    for path, said in (
        ("draft/", written("Zanzibar")),
        ("draft/", written("Zanzibar")),
        ("draft/", written("Zanzibar" * 20_000)),
        ("", written("Zanzibar", base_version="9")),
        ("review/", {"reason": "", "revision": "1"}),
        ("review/", {"reason": "Zanzibar", "revision": "7"}),
        ("review/", {"reason": "So", "revision": "1"}),
    ):
        client.post(page(world, path), said)
    assert running(world) == (1, "Zanzibar", "system_first")
    out, err = capfd.readouterr()
    assert "Zanzibar" not in out + err + caplog.text


QUERIES = {
    "": 10,
    "review/": 15,
    "versions/": 10,
    "versions/?base=1&head=2": 11,
    "versions/1/": 11,
    "pushes/2/": 14,
}


def test_pages_read_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, write: Write, django_assert_num_queries: Any
) -> None:
    push(world, "Be kind.")
    push(world, "Be rude.")
    write("Be brief.", 2)
    client = sign_in(world.alice)
    client.get("/")

    def measure() -> None:
        for path, count in QUERIES.items():
            with django_assert_num_queries(count, info=path):
                client.get(page(world, path))

    measure()
    for number in range(5):
        push_directive(agent=world.scout, content=f"Be number {number}.", actor=TESTS)
        push_directive(agent=world.scout, content="Be rude.", actor=TESTS)
        write("Be brief.", 2 + 2 * (number + 1), world.member("member"))
    write("Be brief.", 12)
    measure()
