"""App configuration of `privacy`."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """The store registry: where anything about a person or an org is kept."""

    name = "privacy"
