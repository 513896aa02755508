"""The console's routes, and counters that no other test has touched."""

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core.cache import cache

from identity import devices
from tests import conftest
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    """Serve the routes of the role `dashboard`."""
    settings.ROOT_URLCONF = "ibex.urls.dashboard"


@pytest.fixture(autouse=True)
def own_counters(settings: Any) -> None:
    """Count in a cache of this process: the suite shares one Redis, and its limits are by address."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()


@pytest.fixture(autouse=True)
def unseen_sessions() -> None:
    """Forget which sessions this process has just noted as seen."""
    devices._seen.clear()


@pytest.fixture
def mailbox(mailoutbox: list[Any], settings: Any) -> list[Any]:
    """The mails that were sent, in an installation that sends mail."""
    settings.SENDS_MAIL = True
    return mailoutbox


@pytest.fixture(autouse=True)
def quick_passwords(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spend Argon2 only where it is the point: every attempt of the others would take as long."""
    if "test_sign_in" not in request.node.nodeid:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        monkeypatch.setattr(conftest, "hashed_password", lambda: make_password(PASSWORD))
