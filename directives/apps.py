"""App configuration of `directives`."""

from django.apps import AppConfig, apps


class DirectivesConfig(AppConfig):
    """Versions of the operators' standing instructions."""

    name = "directives"

    def ready(self) -> None:
        """Let an open page watch a push arrive at the proxies, and the palette find directives."""
        from directives.pushes import fingerprints  # noqa: PLC0415 - models are ready only now
        from ibex.watching import watch  # noqa: PLC0415
        from orgs.finding import Finder, findable, of_org  # noqa: PLC0415
        from orgs.permissions import Permission  # noqa: PLC0415

        watch("push", Permission.DIRECTIVE_READ, fingerprints)
        findable(  # an agent has one, and its page is there before the first version
            Finder(
                "Directive",
                "script",
                Permission.DIRECTIVE_READ,
                of_org(apps.get_model("agents.Agent")),
                page="agent-directive",
                label=lambda agent: f"Directive of {agent}",
            )
        )
