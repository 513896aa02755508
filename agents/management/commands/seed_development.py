"""`manage.py seed_development`: the fixed org, agent, token and operator of a development stack."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agents.models import Agent
from agents.services import create_agent
from ibex.env import env
from ibex.tenancy import tenant
from orgs.audit import Actor
from orgs.credentials import DEVELOPMENT_AGENT_ID, DEVELOPMENT_ORG_ID, DEVELOPMENT_TOKEN
from orgs.members import add_member
from orgs.models import Membership, Operator, Organization, Token
from orgs.permissions import ALL
from orgs.services import create_organization, issue_token

SEED = Actor.system("seed")
OPERATOR_EMAIL = "operator@ibex.localhost"


class Command(BaseCommand):
    """Create what is missing; run as often as you like. Refused outside development."""

    help = "Create the development organization, agent, token and operator."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Create each part that is not there yet; the operator gets the given password."""
        if not settings.DEVELOPMENT:
            raise CommandError("The development org exists only where IBEX_ENV=development.")
        org = self._organization()
        with tenant(org):
            if not Agent.objects.filter(pk=DEVELOPMENT_AGENT_ID).exists():
                create_agent(
                    org=org,
                    name="Development agent",
                    slug="development",
                    memory_scope=Agent.MemoryScope.AGENT,
                    actor=SEED,
                    agent_id=DEVELOPMENT_AGENT_ID,
                )
            if not Token.objects.filter(name="Development token").exists():
                issue_token(
                    org=org,
                    name="Development token",
                    permissions=ALL,
                    held=ALL,
                    actor=SEED,
                    text=DEVELOPMENT_TOKEN,
                )
        self._operator(org)

    def _organization(self) -> Organization:
        with tenant(DEVELOPMENT_ORG_ID):
            org = Organization.objects.filter(pk=DEVELOPMENT_ORG_ID).first()
        if org is None:
            org = create_organization(
                name="Development", slug="development", actor=SEED, org_id=DEVELOPMENT_ORG_ID
            )
            with tenant(org):
                Organization.objects.filter(pk=org.pk).update(rpm=60_000)
        return org

    def _operator(self, org: Organization) -> None:
        password = env.str("IBEX_DEV_OPERATOR_PASSWORD")
        operator = Operator.objects.filter(email=OPERATOR_EMAIL).first()
        if operator is None:
            operator = Operator.objects.create_user(OPERATOR_EMAIL, password, name="Operator")
        elif not operator.check_password(password):
            operator.set_password(password)
            operator.save(update_fields=["password"])
        with tenant(org):
            if not Membership.objects.filter(operator=operator).exists():
                add_member(org=org, operator=operator, role=Membership.Role.OWNER, actor=SEED)
