"""App configuration of `jobs`."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from ibex.watching import watch
from orgs.permissions import Permission


class JobsConfig(AppConfig):
    """Background work, and what carries it out."""

    name = "jobs"

    def ready(self) -> None:
        """Import every app's `jobs` module, where kinds are registered; let pages follow."""
        autodiscover_modules("jobs")
        from jobs.following import fingerprints  # noqa: PLC0415 - models are ready only now

        watch("job", Permission(0), fingerprints)
