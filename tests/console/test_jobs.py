"""Background work in the console: its list, its page, and the bell."""

from typing import Any

import pytest
from django.utils import timezone

from ibex.live import fingerprints
from ibex.tenancy import tenant
from jobs.models import Job
from orgs.permissions import Permission
from tests.api.rows import make_job
from tests.conftest import SignIn, World

HTMX = {"HX-Request": "true"}


def owned(world: World, operator: Any, **fields: Any) -> Job:
    return make_job(world.scout, owner_type="operator", owner_id=operator.pk, **fields)


def ended(state: str = "done", **fields: Any) -> dict[str, Any]:
    return {"state": state, "finished_at": timezone.now(), **fields}


def test_a_manager_sees_all_jobs_and_others_their_own(world: World, sign_in: SignIn) -> None:
    member = world.member("member")
    owned(world, member, title="Of the member")
    owned(world, world.alice, title="Of Alice")
    page = sign_in(world.alice).get("/jobs/").content
    assert b"Of the member" in page
    assert b"Of Alice" in page
    page = sign_in(member).get("/jobs/").content
    assert b"Of the member" in page
    assert b"Of Alice" not in page
    page = sign_in(world.mallory).get("/jobs/").content
    assert b"Of the member" not in page
    assert b"No job yet" in page


def test_the_list_is_narrowed_by_state_and_owner(world: World, sign_in: SignIn) -> None:
    owned(world, world.alice, title="Went wrong", **ended("failed", why="No server"))
    make_job(world.scout, title="Waits")
    client = sign_in(world.alice)
    for query, shown, hidden in (
        ("state=failed", b"Went wrong", b"Waits"),
        (f"owner={world.alice.pk}", b"Went wrong", b"Waits"),
        ("state=queued", b"Waits", b"Went wrong"),
    ):
        page = client.get(f"/jobs/?{query}").content
        assert shown in page
        assert hidden not in page
    assert b"No job matches" in client.get("/jobs/?stalled=yes").content
    assert client.get("/jobs/?state=lost").status_code == 400


def test_only_the_rows_of_unfinished_jobs_are_looked_at_again(
    world: World, sign_in: SignIn
) -> None:
    client = sign_in(world.alice)
    done = owned(world, world.alice, **ended())
    job = owned(world, world.alice, state="running", done=3, total=9)
    page = client.get("/jobs/?owner=" + str(world.alice.pk), headers=HTMX).content.decode()
    assert '<div id="results" tabindex="-1">' in page
    assert "every 3s" not in page
    assert page.count('hx-trigger="live"') == 1
    row = f"/jobs/{job.pk}/row/?owner={world.alice.pk}"
    assert f'hx-get="{row}"' in page
    assert f'data-live="job:{job.pk}"' in page
    assert str(done.pk) in page
    assert f"job:{done.pk}" not in page


def test_a_row_is_shown_alone_until_its_job_ended(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    job = owned(world, world.alice, state="running", done=3, total=9)
    path = f"/jobs/{job.pk}/row/?owner={world.alice.pk}&state=running"
    text = client.get(path, headers=HTMX).content.decode()
    assert "<html" not in text
    assert 'id="results"' not in text
    assert "3 of 9" in text
    assert f'hx-get="/jobs/{job.pk}/row/?owner={world.alice.pk}&amp;state=running"' in text
    assert f'hx-get="?not_state=running&amp;owner={world.alice.pk}"' in text  # still the list's own
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(run_after=None, done=9, **ended())
    with django_assert_num_queries(8):
        answer = client.get(path, headers=HTMX)
    assert "HX-Push-Url" not in answer
    text = answer.content.decode()
    assert "9 of 9" in text
    assert f'id="job-{job.pk}"' in text
    assert "data-live" not in text
    assert "/row/" not in text


def test_a_row_of_anothers_job_is_missing(world: World, sign_in: SignIn) -> None:
    job = owned(world, world.alice)
    for operator in (world.mallory, world.member("member")):
        assert sign_in(operator).get(f"/jobs/{job.pk}/row/").status_code == 404
    assert sign_in(world.alice).get(f"/jobs/{job.pk}/row/").status_code == 200


def test_a_job_shows_its_progress_owner_and_end(world: World, sign_in: SignIn) -> None:
    job = owned(
        world,
        world.alice,
        title="Archive 9 memories",
        done=9,
        failed=2,
        total=9,
        **ended("partial", why="2 of 9 items failed.", result={"memories_archived": 7}),
    )
    page = sign_in(world.alice).get(f"/jobs/{job.pk}/").content.decode()
    for words in ("Archive 9 memories", "2 of 9 items failed.", "Memories archived", "100 %"):
        assert words in page
    assert "every 3s" not in page


def test_a_stalled_job_says_so(world: World, sign_in: SignIn) -> None:
    long_ago = timezone.now() - timezone.timedelta(minutes=5)
    job = owned(world, world.alice, state="running", heartbeat_at=long_ago)
    client = sign_in(world.alice)
    assert b"stalled" in client.get(f"/jobs/{job.pk}/").content
    assert b"Nothing was heard from its worker" in client.get(f"/jobs/{job.pk}/").content


def test_a_job_is_cancelled_and_tried_again(world: World, sign_in: SignIn) -> None:
    client, job = sign_in(world.alice), owned(world, world.alice)
    answer = client.post(f"/jobs/{job.pk}/cancel/", {"reason": "A mistake"})
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.pk}/")
    again = client.post(f"/jobs/{job.pk}/cancel/", headers=HTMX)
    assert again.status_code == 409
    assert b"has ended already" in again.content
    answer = client.post(f"/jobs/{job.pk}/retry/", headers=HTMX)
    assert b"It is tried again." in answer.content
    with tenant(world.acme):
        assert Job.objects.get(pk=job.pk).state == "queued"
    assert client.post(f"/jobs/{job.pk}/cancel/", {"reason": "x" * 501}).status_code == 400


@pytest.mark.parametrize("action", ["", "cancel/", "retry/"])
def test_others_jobs_look_missing(world: World, sign_in: SignIn, action: str) -> None:
    job = owned(world, world.alice, **ended("failed"))
    for operator in (world.mallory, world.member("member")):
        client = sign_in(operator)
        path = f"/jobs/{job.pk}/{action}"
        assert (client.post(path) if action else client.get(path)).status_code == 404
    client = sign_in(world.alice)
    answer = client.post(path) if action else client.get(path)
    assert answer.status_code in {200, 302, 409}


def test_who_lost_the_right_sees_a_disabled_button(world: World, sign_in: SignIn) -> None:
    viewer = world.member("viewer")
    job = owned(world, viewer, needs=int(Permission.MEMORY_WRITE), **ended("failed"))
    client = sign_in(viewer)
    assert b"may not do what this job does" in client.get(f"/jobs/{job.pk}/").content
    assert client.post(f"/jobs/{job.pk}/retry/").status_code == 403


def test_the_bell_counts_what_ended_unseen(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    assert b'hx-get="/jobs/bell/"' in client.get("/").content
    first, _second = owned(world, world.alice, **ended()), owned(world, world.alice, **ended())
    owned(world, world.member("member"), **ended())
    owned(world, world.alice)
    assert b">2<" in client.get("/jobs/bell/").content
    client.get(f"/jobs/{first.pk}/")
    assert b">1<" in client.get("/jobs/bell/").content
    assert client.post("/jobs/read/").status_code == 302
    assert b"bell-count" not in client.get("/jobs/bell/").content


def test_anothers_look_leaves_my_bell_alone(world: World, sign_in: SignIn) -> None:
    job = owned(world, world.member("member"), **ended())
    sign_in(world.alice).get(f"/jobs/{job.pk}/")
    with tenant(world.acme):
        assert Job.objects.get(pk=job.pk).seen_at is None


def test_a_peek_shows_state_progress_owner_times_and_result(
    world: World, sign_in: SignIn, django_assert_num_queries: Any
) -> None:
    job = owned(
        world,
        world.alice,
        title="Archive 9 memories",
        reason="Out of date",
        done=9,
        failed=2,
        total=9,
        **ended("partial", why="2 of 9 items failed.", result={"memories_changed": 7}),
    )
    client = sign_in(world.alice)
    path = f"/jobs/{job.pk}/peek/"
    assert f'data-peek="{path}"' in client.get("/jobs/").content.decode()
    text = client.get(path, headers=HTMX).content.decode()
    for words in ("Archive 9 memories", "partial", "9 of 9", "2 failed", "2 of 9 items failed."):
        assert words in text
    for words in ("<bdi>tests</bdi>", "Out of date", "Created", "Memories changed"):
        assert words in text
    assert "<html" not in text
    assert "every 3s" not in text
    running = owned(world, world.alice, state="running")
    assert b"every 3s, live" in client.get(f"/jobs/{running.pk}/peek/").content
    with tenant(world.acme):
        assert Job.objects.get(pk=job.pk).seen_at is not None
    with django_assert_num_queries(8):
        client.get(path)


def test_a_peek_at_anothers_job_is_missing(world: World, sign_in: SignIn) -> None:
    job = owned(world, world.alice)
    for operator in (world.mallory, world.member("member")):
        assert sign_in(operator).get(f"/jobs/{job.pk}/peek/").status_code == 404
    assert sign_in(world.alice).get(f"/jobs/{job.pk}/peek/").status_code == 200


def test_an_end_is_told_once_with_a_link(world: World, sign_in: SignIn) -> None:
    owned(world, world.alice, title="Long ago", **ended())
    client = sign_in(world.alice)
    assert b"hx-swap-oob" not in client.get("/jobs/bell/").content  # what ended before is counted
    job = owned(world, world.alice, title="Archive 9 memories", **ended("failed"))
    owned(world, world.member("member"), title="Of another", **ended())
    told = client.get("/jobs/bell/").content.decode()
    assert 'hx-swap-oob="beforeend:#ended"' in told
    assert f'<a href="/jobs/{job.pk}/" dir="auto">Archive 9 memories</a>: failed.' in told
    assert "Long ago" not in told
    assert "Of another" not in told
    assert 'id="ended" role="status"' in client.get("/").content.decode()
    assert b"hx-swap-oob" not in client.get("/jobs/bell/").content


def test_of_many_ends_a_few_are_named(world: World, sign_in: SignIn) -> None:
    client = sign_in(world.alice)
    client.get("/jobs/bell/")
    for _ in range(5):
        owned(world, world.alice, title="Archive 9 memories", **ended())
    told = client.get("/jobs/bell/").content.decode()
    assert told.count("Archive 9 memories") == 3
    assert "2 more jobs" in told


def test_a_page_hears_that_a_job_is_asked_to_stop(world: World) -> None:
    job = make_job(world.scout, state="running")
    thing = ("job", job.pk)
    before = fingerprints(world.acme.pk, {thing})[thing]
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(heartbeat_at=timezone.now())
    assert fingerprints(world.acme.pk, {thing})[thing] == before
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
    assert fingerprints(world.acme.pk, {thing})[thing] != before


def test_a_page_hears_that_nothing_is_heard_of_a_job(world: World) -> None:
    job = make_job(world.scout, state="running", heartbeat_at=timezone.now())
    thing = ("job", job.pk)
    before = fingerprints(world.acme.pk, {thing})[thing]
    long_ago = timezone.now() - timezone.timedelta(minutes=5)
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)
    assert fingerprints(world.acme.pk, {thing})[thing] != before
