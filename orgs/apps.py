"""App configuration of `orgs`."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """Organizations, operators, roles, tokens, audit."""

    name = "orgs"
