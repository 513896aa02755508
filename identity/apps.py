"""App configuration of `identity`."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Signing in, second factors, devices, lockouts."""

    name = "identity"

    def ready(self) -> None:
        """Listen to what allauth and axes report."""
        from identity import events  # noqa: PLC0415 - models are not there any earlier

        events.listen()
