"""The control channel as a Django app."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Changes in order, who has heard of them, and the WebSocket that tells."""

    name = "control"
