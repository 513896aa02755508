"""App configuration of `jobs`."""

from typing import Any

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from ibex.watching import watch
from orgs.finding import Finder, findable
from orgs.permissions import Permission


class JobsConfig(AppConfig):
    """Background work, and what carries it out."""

    name = "jobs"

    def ready(self) -> None:
        """Import every app's `jobs` module, where kinds are registered; let pages follow jobs."""
        autodiscover_modules("jobs")
        from jobs.following import fingerprints  # noqa: PLC0415 - models are ready only now

        watch("job", Permission(0), fingerprints)
        findable(Finder("Job", "stack-2", Permission(0), self._visible, page="job"))

    def _visible(self, request: Any) -> Any:
        jobs: Any = self.get_model("Job")._default_manager  # noqa: SLF001 - documented
        rows = jobs.filter(org=request.access.org_id)
        return rows.visible_to(request.actor, request.access.permissions)
