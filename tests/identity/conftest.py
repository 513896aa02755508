"""The console's routes, and counters that no other test has touched."""

from typing import Any

import pytest
from django.core.cache import cache

from identity import devices


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
