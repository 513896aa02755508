"""A filter that cannot be read shows what is wrong, and neither rows nor a first-use page."""

import pytest

from ibex.tenancy import tenant
from tests.conftest import SignIn, World
from tests.console.conftest import Story

FIRST_USE = {
    "/agents/": "No agents yet",
    "/memories/": "Nothing is remembered yet",
    "/sessions/": "No conversation yet",
    "/settings/tokens/": "No token yet",
    "/audit/": "Nothing has happened yet",
    "/jobs/": "No job yet",
}


@pytest.mark.parametrize("path", [*FIRST_USE, "/settings/members/"])
@pytest.mark.parametrize("query", ["unknown=1", "unknown=1&state=queued"])
def test_a_wrong_filter_is_said_and_cleared(
    world: World, sign_in: SignIn, story: Story, path: str, query: str
) -> None:
    client = sign_in(world.alice)
    answer = client.get(f"{path}?{query}")
    text = answer.content.decode()
    assert answer.status_code == 400
    assert "This list has no such filter." in text
    assert "The filter is wrong" in text
    assert f'<a href="{path}">Clear it</a>' in text
    assert "data-announce" not in text
    assert not [words for words in FIRST_USE.values() if words in text]
    plain = client.get(path).content.decode()
    assert "The filter is wrong" not in plain
    assert "data-announce" in plain


def test_where_nothing_is_yet_that_is_said(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    for path in ("/memories/", "/sessions/", "/settings/tokens/", "/jobs/"):
        assert FIRST_USE[path] in client.get(path).content.decode()
    with tenant(world.acme):
        world.scout.delete()
    assert FIRST_USE["/agents/"] in client.get("/agents/").content.decode()
