"""App configuration of `directives`."""

from django.apps import AppConfig


class DirectivesConfig(AppConfig):
    """Versions of the operators' standing instructions."""

    name = "directives"

    def ready(self) -> None:
        """Let an open page watch a push arrive at the proxies."""
        from directives.pushes import fingerprints  # noqa: PLC0415 - models are ready only now
        from ibex.watching import watch  # noqa: PLC0415
        from orgs.permissions import Permission  # noqa: PLC0415

        watch("push", Permission.DIRECTIVE_READ, fingerprints)
