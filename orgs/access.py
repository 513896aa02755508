"""Which organization an operator works in, and the one door through which pages enter it."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, cast
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect

from ibex.demo.identity import DEMO_ORG_ID
from ibex.http import client_ip
from ibex.tenancy import tenant
from orgs.audit import Actor
from orgs.models import AuditEvent, Operator
from orgs.permissions import ROLE_PERMISSIONS, Permission

CHOSEN_ORG = "org_id"
"""The session key that remembers the operator's chosen organization."""

MEMBERSHIPS = """
SELECT org_id, org_name, org_slug, org_status, role, mfa_required FROM ibex_memberships(%s)
"""
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]

P = ParamSpec("P")


@dataclass(frozen=True)
class Access:
    """One organization that an operator may enter, and as what."""

    org_id: UUID
    org_name: str
    org_slug: str
    org_status: str
    role: str
    mfa_required: bool = False

    @property
    def permissions(self) -> Permission:
        """What the role may do."""
        return ROLE_PERMISSIONS[self.role]

    @property
    def is_demo(self) -> bool:
        """Whether it is the organization of the demo data."""
        return self.org_id == DEMO_ORG_ID


class OrgRequest(HttpRequest):
    """The request of a signed-in operator who works in an organization."""

    user: Operator
    access: Access
    accesses: list[Access]
    actor: Actor


View = Callable[Concatenate[OrgRequest, P], HttpResponse]


def accesses_of(operator: Operator) -> list[Access]:
    """List the organizations an operator belongs to, by name; one query, across tenants."""
    with connection.cursor() as cursor:
        cursor.execute(MEMBERSHIPS, [operator.pk])
        return [Access(*row) for row in cursor.fetchall()]


def chosen_access(session: MutableMapping[str, Any], accesses: list[Access]) -> Access | None:
    """Return the organization chosen in this session, or the first when none was.

    A choice that is no longer a membership is None: what was meant for one organization must
    not happen in another.
    """
    chosen = session.get(CHOSEN_ORG)
    if chosen is None:
        return accesses[0] if accesses else None
    return next((access for access in accesses if str(access.org_id) == chosen), None)


def lacks_second_factor(operator: Operator, access: Access) -> bool:
    """Say whether the organization asks for a second factor and the operator has none.

    Recovery codes alone are none: they stand in for a factor that was lost.
    """
    return access.mfa_required and not is_mfa_enabled(operator, SECOND_FACTORS)


def operator_page(
    needs: Permission, *, enters_tenant: bool = True
) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponse]]:
    """Open a page to signed-in operators who hold `needs`, inside their organization's tenant.

    A view that waits for another service enters the tenant itself, when it has its answer.
    """

    def decorate(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @login_required
        def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            mine = cast("OrgRequest", request)
            mine.accesses = accesses_of(mine.user)
            access = chosen_access(mine.session, mine.accesses)
            if access is None:
                return redirect("organizations")
            if lacks_second_factor(mine.user, access):
                return redirect("second-factor-required")
            if needs & ~access.permissions:
                raise PermissionDenied
            mine.access = access
            mine.actor = _actor(mine)
            if not enters_tenant:
                return view(mine, *args, **kwargs)
            with tenant(access.org_id):
                return view(mine, *args, **kwargs)

        update_wrapper(page, view)
        return page

    return decorate


def own_page(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Open a page about the operator themselves, whichever organization they work in.

    The frame of that organization stays around the page where they may enter it.
    """

    @login_required
    def page(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        frame(cast("OrgRequest", request))
        return view(cast("OrgRequest", request), *args, **kwargs)

    update_wrapper(page, view)
    return page


def frame(request: OrgRequest) -> None:
    """Give a signed-in operator's request the organization that its page is framed by, if any."""
    request.accesses = accesses_of(request.user)
    access = chosen_access(request.session, request.accesses)
    if access is not None and not lacks_second_factor(request.user, access):
        request.access = access


def choose(request: OrgRequest, access: Access) -> None:
    """Work in this organization from now on, and after the next sign-in too.

    Forms that other tabs opened in the organization before are refused from now on: what they
    hold was never meant for this one.
    """
    rotate_token(request)
    request.session[CHOSEN_ORG] = str(access.org_id)
    Operator.objects.filter(pk=request.user.pk).update(chosen_org_id=access.org_id)


def _actor(request: OrgRequest) -> Actor:
    """Name the operator as audit does, and where the request came from."""
    operator = request.user
    return Actor(
        AuditEvent.Actor.OPERATOR,
        operator.pk,
        operator.email,
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )
