"""Bulk actions stay in sight of who may not use them, with the reason."""

import pytest

from tests.conftest import SignIn, World
from tests.console.conftest import Story

REFUSED = {
    "/agents/": ("pause or activate agents", 2),
    "/memories/": ("archive or restore or tag or delete memories", 4),
    "/sessions/": ("terminate sessions", 1),
}


@pytest.mark.parametrize("path", REFUSED)
def test_a_viewer_sees_the_bar_and_why_it_is_off(
    world: World, sign_in: SignIn, story: Story, path: str
) -> None:
    what, buttons = REFUSED[path]
    reason = 'disabled title="Your role, viewer, does not allow this."'
    text = sign_in(world.member("viewer")).get(path).content.decode()
    assert f"Your role, viewer, does not {what}." in text
    assert text.count(reason) == buttons
    text = sign_in(world.alice).get(path).content.decode()
    assert text.count("formaction=") == buttons
    assert "does not allow this" not in text
