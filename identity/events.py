"""What happens at the door, written into the audit of every organization of the operator.

One statement does it, whether an address is known or not: a refusal takes alike.
"""

import json
from typing import Any

from allauth.account.signals import password_changed, password_reset, user_logged_in
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import (
    authentication_failed,
    authenticator_added,
    authenticator_removed,
    authenticator_reset,
)
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_login_failed
from django.db import connection
from django.http import HttpRequest

from ibex.http import client_ip
from identity import devices, lockouts
from orgs.access import CHOSEN_ORG, SECOND_FACTORS, accesses_of
from orgs.models import Operator

RECORD = "SELECT ibex_record_sign_in(%s, %s, %s, %s::jsonb, %s, %s)"


def record(
    action: str,
    email: str,
    *,
    request: HttpRequest | None,
    by_operator: bool = True,
    **after: object,
) -> None:
    """Write `sign_in.<action>` down wherever the operator of this address is a member."""
    details = json.dumps(after) if after else None
    place = [client_ip(request) if request else None, getattr(request, "request_id", "")]
    with connection.cursor() as cursor:
        cursor.execute(RECORD, [email, by_operator, f"sign_in.{action}", details, *place])


def listen() -> None:
    """Connect the receivers below, once."""
    user_logged_in.connect(_signed_in)
    user_login_failed.connect(_refused)
    authentication_failed.connect(_code_refused)
    user_locked_out.connect(_locked_out)
    authenticator_added.connect(_factor_added)
    authenticator_removed.connect(_factor_removed)
    authenticator_reset.connect(_codes_renewed)
    password_changed.connect(_password_changed)
    password_reset.connect(_password_reset)


def _signed_in(request: HttpRequest, user: Operator, **_: Any) -> None:
    """Write it down, and go on where the operator worked last."""
    methods = request.session.get("account_authentication_methods", [])
    record("succeeded", user.email, request=request, by=[_method(entry) for entry in methods])
    if user.chosen_org_id in {access.org_id for access in accesses_of(user)}:
        request.session[CHOSEN_ORG] = str(user.chosen_org_id)


def _method(entry: dict[str, Any]) -> str:
    return str(entry.get("type") or entry.get("method"))


def _refused(request: HttpRequest | None, credentials: dict[str, Any], **_: Any) -> None:
    """Write down a password that was refused; axes has counted it, or turned it away unread."""
    if request is not None and getattr(request, "axes_failures_since_start", None) is not None:
        email = lockouts.address_typed(request, credentials)
        record("failed", email, request=request, by_operator=False, by="password")


def _code_refused(
    request: HttpRequest, user: Operator, authenticator: Authenticator, **_: Any
) -> None:
    """Count a refused code as a refused password is counted, and write it down."""
    lockouts.count_failure(request, user.email)
    record("failed", user.email, request=request, by_operator=False, by=authenticator.type)


def _locked_out(request: HttpRequest, username: str, **_: Any) -> None:
    """Write down the moment of a lockout; what is turned away later is not written again."""
    if request.axes_failures_since_start is not None:  # type: ignore[attr-defined]
        record("locked_out", username, request=request, by_operator=False)


def _factor_added(
    request: HttpRequest, user: Operator, authenticator: Authenticator, **_: Any
) -> None:
    """Write it down; with the first factor, sessions that began without one end."""
    record("factor_added", user.email, request=request, type=authenticator.type)
    factors = Authenticator.objects.filter(user=user, type__in=SECOND_FACTORS)
    if authenticator.type in SECOND_FACTORS and factors.count() == 1:
        devices.end_others(request)


def _factor_removed(
    request: HttpRequest, user: Operator, authenticator: Authenticator, **_: Any
) -> None:
    record("factor_removed", user.email, request=request, type=authenticator.type)


def _codes_renewed(request: HttpRequest, user: Operator, **_: Any) -> None:
    record("recovery_codes_renewed", user.email, request=request)


def _password_reset(request: HttpRequest, user: Operator, **_: Any) -> None:
    """Write it down; who can read the mail has shown more than a guess, and may sign in at once."""
    lockouts.forget(user.email)
    record("password_reset", user.email, request=request)


def _password_changed(request: HttpRequest, user: Operator, **_: Any) -> None:
    record("password_changed", user.email, request=request)
