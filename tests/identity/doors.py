"""How tests pass the door: typing, computing codes, reading what the pages show."""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

from django.test import Client

from ibex.tenancy import tenant
from orgs.models import AuditEvent, Operator, Organization
from tests.conftest import PASSWORD

SIGN_IN = "/accounts/sign-in/"
SECOND_FACTOR = "/accounts/second-factor/"


def attempt(email: str, password: str, client: Client | None = None, **more: Any) -> Any:
    """Send address and password; `more` are fields of the form, `headers` those of the request."""
    headers = more.pop("headers", None)
    ip = more.pop("ip", "203.0.113.7")
    fields = {"login": email, "password": password, **more}
    return (client or Client()).post(SIGN_IN, fields, headers=headers, REMOTE_ADDR=ip)


def sign_in_by_password(operator: Operator, client: Client | None = None) -> Client:
    """Sign in as a person does; for someone with a second factor this is the first step."""
    client = client or Client()
    assert attempt(operator.email, PASSWORD, client).status_code == 302
    return client


def code_of(secret: str, at: float | None = None) -> str:
    """Compute a code as an authenticator app does (RFC 6238), without the library under test."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    counter = struct.pack(">Q", int((time.time() if at is None else at) // 30))
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    (number,) = struct.unpack(">I", digest[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"


def confirm(client: Client) -> None:
    """Type the password again, as every change of factors asks for."""
    assert client.post("/accounts/confirm/", {"password": PASSWORD}).status_code == 302


def set_up_app(client: Client) -> str:
    """Set an authenticator app up and return its key."""
    confirm(client)
    answer = client.get("/accounts/second-factor/app/")
    assert answer.status_code == 200, answer.get("Location")
    page = answer.content.decode()
    (secret,) = re.findall(r'id="totp-key">([A-Z2-7]+)<', page)
    answer = client.post("/accounts/second-factor/app/", {"code": code_of(secret)})
    assert answer.status_code == 302, answer.content.decode()
    return secret


def recovery_codes(client: Client) -> list[str]:
    """Read the codes off their page."""
    page = client.get("/accounts/second-factor/codes/").content.decode()
    return re.findall(r"<li><code>(\d{8})</code></li>", page)


def is_signed_in(client: Client) -> bool:
    return client.get("/organizations/").status_code == 200


def events(org: Organization, action: str) -> list[AuditEvent]:
    """List an organization's audit rows of one action, oldest first."""
    with tenant(org):
        return list(AuditEvent.objects.filter(action=action).order_by("at", "pk"))
