"""Where mail goes: to a server that a URL names, or, in development, into a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.conf import settings
from django.core.mail.backends.filebased import EmailBackend as FileBackend

SMTP = "django.core.mail.backends.smtp.EmailBackend"
FOLDER = "ibex.mail.FolderBackend"
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Mail:
    """How Django sends mail."""

    backend: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False


def mail_settings(url: str, *, development: bool) -> Mail | None:
    """Read `smtp[s]://user:password@host:port`; None where no mail is sent.

    `smtp+tls` asks for STARTTLS, `smtps` for TLS from the start. Raises `SystemExit` for a URL
    that is none, without quoting it: it holds a password.
    """
    if not url:
        if not development:
            return None
        return Mail(FOLDER)
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise SystemExit("IBEX_EMAIL_URL must be smtp://, smtp+tls:// or smtps:// with a host.")
    return Mail(
        SMTP,
        parts.hostname,
        parts.port or PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        starttls=parts.scheme == "smtp+tls",
        tls=parts.scheme == "smtps",
    )


class FolderBackend(FileBackend):
    """Development's post: each mail is a file; the log names the file and never the text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Path(settings.EMAIL_FILE_PATH).mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(*args, **kwargs)

    def close(self) -> None:
        """Close the file of this batch, and say where it lies."""
        if self.stream is not None:
            log.info("mail.written", file=self.stream.name)
        super().close()
