"""Asking for demo data, and for its end, from the console."""

from http import HTTPStatus

from django.conf import settings

from ibex.demo import working
from ibex.demo.identity import DEMO_ORG_ID
from ibex.demo.organization import DEMO, NAME, find_demo, is_filled
from ibex.errors import DomainError
from ibex.tenancy import tenant
from jobs.models import Job
from jobs.services import enqueue_job
from orgs.access import Access
from orgs.audit import Actor
from orgs.members import add_member
from orgs.models import Membership, Operator, Organization

Role = Membership.Role


class DemoRefused(DomainError):
    """Demo data may not be made or removed here, or not by this operator."""

    code = "DEMO_REFUSED"
    status = HTTPStatus.CONFLICT


def refusal(access: Access) -> str:
    """Say in a sentence why this operator may not ask for demo data; nothing when they may."""
    if not settings.DEMO_DATA:
        return "This installation allows no demo data (IBEX_DEMO_DATA)."
    if access.role != Role.OWNER:
        return f"Your role, {access.role}, does not make demo data; an owner does."
    return ""


def ask_for_demo(*, access: Access, operator: Operator, actor: Actor) -> Job | Organization:
    """Start the job that makes the demo, or return the one under way; or the demo, if it is there.

    It is one for the whole installation, and its members see each other. So who comes later is
    let in as an owner only when one of its owners is a colleague. Raises `DemoRefused`.
    """
    if why := refusal(access):
        raise DemoRefused(why)
    with tenant(access.org_id):
        Organization.objects.select_for_update(no_key=True).get(pk=access.org_id)  # one at a time
        under_way = _unfinished(access, working.FILL)
        if under_way is not None:
            return under_way
        demo = find_demo()
        if demo is not None and is_filled(demo):
            _let_in(demo, operator, access)
            return demo
        return enqueue_job(
            org=access.org_id, kind=working.FILL, actor=actor, title=f"Make {NAME}, demo data"
        )


def ask_for_removal(*, home: Access | None, actor: Actor) -> Job:
    """Start the job that removes the demo, in `home`, another organization of its owner.

    Raises `DemoRefused` for who has no other: the job would go with its own organization.
    """
    demo = find_demo()
    if demo is None:
        raise DemoRefused(f"{NAME} is gone already.")
    if home is None:
        raise DemoRefused(
            "You are in no other organization that its removal could be followed from. "
            "`manage.py demo_data --remove` removes it."
        )
    with tenant(home.org_id):
        Organization.objects.select_for_update(no_key=True).get(pk=home.org_id)
        return _unfinished(home, working.REMOVE) or enqueue_job(
            org=home.org_id,
            kind=working.REMOVE,
            actor=actor,
            parameters=working.named(demo),
            title=f"Remove {NAME}, demo data",
            total=1,
        )


def _unfinished(access: Access, kind: str) -> Job | None:
    return Job.objects.filter(org=access.org_id, kind=kind).unfinished().first()


def _let_in(demo: Organization, operator: Operator, access: Access) -> None:
    with tenant(DEMO_ORG_ID):
        members = dict(Membership.objects.filter(org=demo).values_list("operator_id", "role"))
    if operator.pk in members:
        return
    owners = [operator_id for operator_id, role in members.items() if role == Role.OWNER]
    with tenant(access.org_id):
        here = Membership.objects.filter(org=access.org_id, suspended_at=None)
        has_colleague = here.filter(operator_id__in=owners).exists()
    if members and not has_colleague:
        raise DemoRefused(f"{NAME} is there already, and belongs to people you do not work with.")
    add_member(org=demo, operator=operator, role=Role.OWNER, actor=DEMO)
