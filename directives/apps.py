"""App configuration of `directives`."""

from django.apps import AppConfig


class DirectivesConfig(AppConfig):
    """Versions of the operators' standing instructions."""

    name = "directives"
