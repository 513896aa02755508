"""What was done is said once, on whichever page comes next."""

import pytest

from tests.api.rows import make_job
from tests.conftest import SignIn, World
from tests.console.conftest import Story


@pytest.mark.parametrize(
    "page",
    [
        "/",
        "/memories/",
        "/memories/{memory}/",
        "/memories/review/",
        "/sessions/{session}/",
        "/sessions/{session}/turns/1/why/",
        "/agents/{agent}/settings/",
        "/agents/{agent}/archive/",
        "/jobs/{job}/",
    ],
)
def test_a_notice_is_shown_once(world: World, sign_in: SignIn, story: Story, page: str) -> None:
    client = sign_in(world.alice)
    client.post("/memories/bulk/archive/", {"scope": "ids"})  # leaves a notice for the next page
    job = make_job(world.scout)
    ids = {"memory": story.memory.pk, "session": story.session.pk, "agent": world.scout.pk}
    shown = client.get(page.format(job=job.pk, **ids))
    assert shown.status_code == 200
    assert shown.content.count(b"Nothing is selected.") == 1
    assert b"Nothing is selected." not in client.get(page.format(job=job.pk, **ids)).content
