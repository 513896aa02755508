"""Where archives are kept: `IBEX_ARCHIVE_URL` as an entry of Django's STORAGES."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

VARIABLE = "IBEX_ARCHIVE_URL"
EXPECTED = (
    f"{VARIABLE} must be file:///a/folder or "
    "s3://bucket[/prefix][?endpoint_url=…&region=…&addressing_style=…]."
)
QUERY = {
    "endpoint_url": "endpoint_url",
    "region": "region_name",
    "addressing_style": "addressing_style",
}
"""Parameters of an S3 address, and what django-storages calls them."""


def archive_storage(
    url: str, *, default: Path, access_key: str | None = None, secret_key: str | None = None
) -> dict[str, Any]:
    """Return the storage that `url` names; without one, files in the folder `default`.

    Without keys S3 is asked with whatever the machine itself may do. Exits with the variable's
    name when the address cannot be understood; the address itself is not repeated.
    """
    if not url:
        return _folder(default.absolute())
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return _folder(Path(unquote(parts.path)))
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "s3" or not parts.netloc or set(options) - set(QUERY):
        raise SystemExit(EXPECTED)
    return {
        "BACKEND": "sessions.bucket.ArchiveBucket",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "region_name": "us-east-1",
            "addressing_style": "path" if "endpoint_url" in options else "auto",
            "access_key": access_key,
            "secret_key": secret_key,
            **{QUERY[name]: value for name, value in options.items()},
        },
    }


def _folder(path: Path) -> dict[str, Any]:
    return {"BACKEND": "sessions.folder.ArchiveFolder", "OPTIONS": {"location": str(path)}}
