"""The console's routes, and rows to look at."""

from typing import Any

import pytest


@pytest.fixture
def quick_passwords(settings: Any) -> None:
    """Spend no Argon2 on operators who never type their password here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def console_urls(settings: Any) -> None:
    """Serve the routes of the role `dashboard`."""
    settings.ROOT_URLCONF = "ibex.urls.dashboard"
