"""App configuration of `analytics`."""

from django.apps import AppConfig


class AnalyticsConfig(AppConfig):
    """Request records and what is counted from them."""

    name = "analytics"
