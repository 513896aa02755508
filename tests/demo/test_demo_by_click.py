"""Demo data from the first run: made by a job, looked at, and removed with one click."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from agents.models import Agent
from embedder.client import EmbedderClient
from embedder.errors import EmbeddingUnavailable
from ibex.demo import services, working
from ibex.demo.identity import DEMO_ORG_ID
from ibex.demo.organization import NAME, create_demo, find_demo, is_filled, note_filled
from ibex.tenancy import tenant
from jobs import running
from jobs.models import Job
from jobs.running import run_job
from jobs.services import cancel_job, retry_job
from memories.models import Memory
from orgs.members import add_member
from orgs.models import Membership, Operator, Organization
from orgs.permissions import ALL
from orgs.services import create_organization
from sessions.models import Session, Turn
from tests.conftest import TESTS, SignIn, World
from tests.jobs.conftest import acting, fresh


@pytest.fixture(autouse=True)
def small_demo(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Allow demo data, tell little of it, and leave meaning to the words."""

    def away(*_args: Any, **_options: Any) -> None:
        raise EmbeddingUnavailable("tests")

    monkeypatch.setattr(EmbedderClient, "embed_sync", away)
    monkeypatch.setattr(working, "SCALE", 0.01)
    settings.DEMO_DATA = True
    settings.ROOT_URLCONF = "ibex.urls.dashboard"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def jobs(org: Organization, kind: str = working.FILL) -> list[Job]:
    with tenant(org):
        return list(Job.objects.filter(org=org, kind=kind).order_by("created_at", "pk"))


def carry_on(job: Job) -> Job:
    run_job(org_id=job.org_id, job_id=job.pk)
    return fresh(job)


def ask(world: World, sign_in: SignIn) -> Job:
    answer = sign_in(world.alice).post("/demo/")
    (job,) = jobs(world.acme)
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.pk}/")
    return job


def finished(job: Job) -> Job:
    while job.is_unfinished:
        job = carry_on(job)
    return job


def rows() -> dict[str, int]:
    with tenant(DEMO_ORG_ID):
        return {model.__name__: model.objects.count() for model in (Agent, Session, Turn, Memory)}


def owners() -> set[Operator]:
    with tenant(DEMO_ORG_ID):
        members = Membership.objects.filter(role="owner").select_related("operator")
        return {member.operator for member in members}


def make_filled_demo(*members: Operator) -> Organization:
    """Let the demo be there, without its story."""
    demo = create_demo("nobody@example.com")
    for operator in members:
        add_member(org=demo, operator=operator, role="owner", actor=TESTS)
    note_filled(demo, {})
    return demo


def test_whoever_asked_stays_where_they_are(world: World, sign_in: SignIn) -> None:
    """The organizations of somebody who never chose are in the order of their names."""
    with tenant(world.acme):
        Organization.objects.filter(pk=world.acme.pk).update(name="Zenith")
    client = sign_in(world.alice)
    job_page = client.post("/demo/")["Location"]
    assert client.get(job_page).status_code == 200
    finished(jobs(world.acme)[0])
    assert owners() == {world.alice}
    assert client.get(job_page).status_code == 200
    assert "Zenith" in client.get("/").content.decode()


def test_a_click_makes_the_demo_with_the_operator_as_its_owner(
    world: World, sign_in: SignIn
) -> None:
    client = sign_in(world.alice)
    assert "Look around with demo data" in client.get("/").content.decode()
    job = finished(ask(world, sign_in))
    assert (job.state, job.failed, job.done) == ("done", 0, job.total)
    demo = find_demo()
    assert demo is not None
    assert is_filled(demo)
    assert owners() == {world.alice}
    made = rows()
    assert made["Agent"] == 4
    assert min(made.values()) > 0
    assert job.result == {
        "sessions": made["Session"],
        "turns": made["Turn"],
        "memories": made["Memory"],
    }
    page = client.get(f"/jobs/{job.pk}/").content.decode()
    assert 'href="/organizations/"' in page
    assert NAME in client.get("/organizations/").content.decode()


def test_a_demo_in_slices_is_the_same_as_in_one(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction.atomic():
        whole = finished(ask(world, sign_in))
        expected = rows()
        transaction.set_rollback(True)
    monkeypatch.setattr(running, "SLICE_S", 0)
    sliced = finished(ask(world, sign_in))
    assert sliced.runs > 10
    assert (sliced.state, sliced.done) == (whole.state, whole.done)
    made = rows()
    assert (made["Agent"], made["Session"], made["Turn"]) == (
        expected["Agent"],
        expected["Session"],
        expected["Turn"],
    )


def test_a_step_that_did_not_commit_is_done_anew_and_once(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ask(world, sign_in)
    advance = running.Run.advance

    def killed_at_the_third(run: running.Run, items: int, **options: Any) -> None:
        advance(run, items, **options)
        if run.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(running.Run, "advance", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        carry_on(job)
    assert (fresh(job).done, rows()["Agent"]) == (2, 2)
    monkeypatch.setattr(running.Run, "advance", advance)
    job = finished(fresh(job))
    assert (job.state, job.done, rows()["Agent"]) == ("done", job.total, 4)


def test_a_second_click_leads_to_the_same_job(world: World, sign_in: SignIn) -> None:
    job = ask(world, sign_in)
    assert ask(world, sign_in).pk == job.pk
    finished(job)
    answer = sign_in(world.alice).post("/demo/")
    assert answer["Location"] == "/organizations/"
    assert len(jobs(world.acme)) == 1


def test_two_at_once_from_two_organizations_make_one_demo(world: World, sign_in: SignIn) -> None:
    first = ask(world, sign_in)
    sign_in(world.mallory).post("/demo/")
    (second,) = jobs(world.elsewhere)
    run = running._begin(first.org_id, first.pk)
    assert run is not None
    next(working.fill(run))
    second = carry_on(second)
    assert (second.state, second.why) == ("failed", f"{NAME} is being made already.")
    assert finished(fresh(first)).state == "done"
    assert owners() == {world.alice}


@pytest.mark.parametrize("state", ["running", "queued"])
def test_a_cancel_removes_what_was_made(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    job = ask(world, sign_in)
    for _ in range(3):
        job = carry_on(job)
    assert rows()["Agent"] > 0
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(state=state)
    cancel_job(job=job, actor=acting(world.alice))
    assert carry_on(job).state == "cancelled"
    (removal,) = jobs(world.acme, working.REMOVE)
    assert finished(removal).state == "done"
    assert find_demo() is None
    again = retry_job(job=job, actor=acting(world.alice), held=ALL)
    assert "is gone" in finished(again).why
    assert find_demo() is None


def test_a_cancel_before_anything_was_made_removes_nothing(world: World, sign_in: SignIn) -> None:
    demo = make_filled_demo(world.mallory)
    job = ask_anyway(world)
    cancel_job(job=job, actor=acting(world.alice))
    assert jobs(world.acme, working.REMOVE) == []
    assert find_demo() == demo


def ask_anyway(world: World) -> Job:
    """Ask for it although it is there, as when it came meanwhile."""
    from jobs.services import enqueue_job  # noqa: PLC0415 - past the service that would refuse

    return enqueue_job(org=world.acme, kind=working.FILL, actor=acting(world.alice))


def test_what_a_failed_job_left_is_removed_first(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SLICE_S", 0)
    job = ask(world, sign_in)
    for _ in range(4):
        job = carry_on(job)
    assert rows()["Agent"] > 0
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(
            state="failed", run_after=None, finished_at=job.created_at
        )
    sign_in(world.alice).post("/demo/")
    _old, new = jobs(world.acme)
    assert finished(new).state == "done"
    assert rows()["Agent"] == 4


def test_another_organization_at_the_address_is_left_alone(world: World, sign_in: SignIn) -> None:
    other = create_organization(name="Ours", slug="demo", actor=TESTS)
    job = finished(ask(world, sign_in))
    assert (job.state, find_demo()) == ("failed", None)
    assert "has the address" in job.why
    with tenant(other):
        assert Organization.objects.filter(pk=other.pk).exists()


def test_a_stranger_is_not_let_into_the_demo_of_others(world: World, sign_in: SignIn) -> None:
    make_filled_demo(world.alice)
    page = sign_in(world.mallory).post("/demo/", follow=True).content.decode()
    assert "belongs to people you do not work with" in page
    assert owners() == {world.alice}


def test_a_colleague_is_let_in(world: World, sign_in: SignIn) -> None:
    make_filled_demo(world.alice)
    colleague = world.member("owner")
    assert sign_in(colleague).post("/demo/")["Location"] == "/organizations/"
    assert sign_in(colleague).post("/demo/")["Location"] == "/organizations/"
    assert owners() == {world.alice, colleague}


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_who_is_no_owner_is_told_so(world: World, sign_in: SignIn, role: str) -> None:
    client = sign_in(world.member(role))
    page = client.get("/").content.decode()
    assert f"Your role, {role}, does not make demo data" in page
    assert button(page).endswith('disabled aria-describedby="demo-refused">')
    assert client.post("/demo/").status_code == 403
    assert jobs(world.acme) == []
    assert "disabled" not in button(sign_in(world.alice).get("/").content.decode())


def button(page: str) -> str:
    start = page.index('action="/demo/"')
    start = page.index("<button", start)
    return page[start : page.index(">", start) + 1]


def test_an_installation_may_allow_none(world: World, sign_in: SignIn, settings: Any) -> None:
    settings.DEMO_DATA = False
    client = sign_in(world.alice)
    page = client.get("/").content.decode()
    assert "disabled" in button(page)
    assert "IBEX_DEMO_DATA" in page
    answer = client.post("/demo/", follow=True)
    assert "allows no demo data" in answer.content.decode()
    assert jobs(world.acme) == []


@pytest.fixture
def in_the_demo(world: World, sign_in: SignIn) -> Iterator[Any]:
    """Alice works in the demo, which has an agent."""
    make_filled_demo(world.alice)
    client = sign_in(world.alice)
    client.post("/organizations/", {"org_id": str(DEMO_ORG_ID)})
    return client


def test_every_page_of_the_demo_says_what_it_is(world: World, in_the_demo: Any) -> None:
    for path in ("/", "/agents/", "/memories/"):
        assert "This is demo data" in in_the_demo.get(path).content.decode()
    in_the_demo.post("/organizations/", {"org_id": str(world.acme.pk)})
    assert "This is demo data" not in in_the_demo.get("/").content.decode()


def test_the_demo_is_removed_by_a_job_of_another_organization(
    world: World, in_the_demo: Any
) -> None:
    page = in_the_demo.get("/demo/remove/").content.decode()
    assert "Remove 0 sessions and 0 memories" in page
    answer = in_the_demo.post("/demo/remove/")
    (job,) = jobs(world.acme, working.REMOVE)
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert in_the_demo.get(answer["Location"]).status_code == 200  # she works in Acme again
    job = finished(job)
    assert job.state == "done"
    assert job.result is not None
    assert job.result["rows_removed"] > 3
    assert find_demo() is None
    assert sorted(access.slug for access in organizations_of(world)) == [world.acme.slug]


def organizations_of(world: World) -> list[Organization]:
    with tenant(world.acme):
        return list(Organization.objects.all())


def test_a_removal_that_comes_late_leaves_a_later_demo_alone(
    world: World, in_the_demo: Any
) -> None:
    in_the_demo.post("/demo/remove/")
    (job,) = jobs(world.acme, working.REMOVE)
    finished(job)
    later = make_filled_demo(world.mallory)
    with tenant(world.acme):
        Job.objects.filter(pk=job.pk).update(state="failed", checkpoint=None, done=0)
    again = finished(retry_job(job=job, actor=acting(world.alice), held=ALL))
    assert again.result == {"rows_removed": 0}
    assert find_demo() == later


def test_who_has_no_other_organization_is_told_how(world: World, sign_in: SignIn) -> None:
    demo = create_demo("nobody@example.com")
    note_filled(demo, {})
    client = sign_in(world.member("owner", demo))
    page = client.post("/demo/remove/", follow=True).content.decode()
    assert "demo_data --remove" in page
    assert find_demo() == demo


def test_nobody_removes_it_from_elsewhere(world: World, sign_in: SignIn) -> None:
    demo = make_filled_demo(world.alice)
    for operator in (world.mallory, world.alice):
        client = sign_in(operator)
        assert client.get("/demo/remove/").status_code == 404
        assert client.post("/demo/remove/").status_code == 404
    viewer = world.member("viewer", demo)
    assert sign_in(viewer).post("/demo/remove/").status_code == 403
    assert find_demo() == demo


def test_a_job_cannot_be_asked_for_past_the_service(world: World, settings: Any) -> None:
    settings.DEMO_DATA = False
    access = next(iter(accesses(world.alice)))
    with pytest.raises(services.DemoRefused):
        services.ask_for_demo(access=access, operator=world.alice, actor=acting(world.alice))


def accesses(operator: Operator) -> Any:
    from orgs.access import accesses_of  # noqa: PLC0415 - used here alone

    return accesses_of(operator)
