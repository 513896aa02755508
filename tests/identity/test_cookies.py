"""Cookies that scripts cannot read, that travel over TLS alone, and that end."""

import json
import os
import subprocess
import sys

from django.conf import settings
from django.test import Client

from tests.conftest import ROOT, World
from tests.identity.doors import SIGN_IN, sign_in_by_password

ASK = """
import json
from django.conf import settings
names = ("SESSION_COOKIE_NAME SESSION_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SAMESITE "
    "SESSION_COOKIE_AGE CSRF_COOKIE_NAME CSRF_COOKIE_SECURE CSRF_COOKIE_HTTPONLY "
    "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN SENDS_MAIL ACCOUNT_DEFAULT_HTTP_PROTOCOL").split()
print(json.dumps({name: getattr(settings, name) for name in names}))
"""


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    client = sign_in_by_password(world.alice)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert 0 < cookie["max-age"] <= 12 * 3600


def test_the_csrf_cookie_is_too(db: None) -> None:
    client = Client()
    client.get(SIGN_IN)
    cookie = client.cookies[settings.CSRF_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_production_hardens_both() -> None:
    environment = os.environ | {
        "IBEX_ENV": "production",
        "IBEX_ALLOWED_HOSTS": "ibex.example",
        "DJANGO_SETTINGS_MODULE": "ibex.settings",
        "IBEX_SESSION_HOURS": "3",
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(asked.stdout) == {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_AGE": 3 * 3600,
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_HTTPONLY": True,
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": False,
        "SENDS_MAIL": False,
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https",
    }
