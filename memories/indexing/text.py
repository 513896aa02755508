"""Making text storable and comparable."""

import hashlib
import unicodedata


def sanitise(text: str) -> str:
    """Drop NUL and replace lone surrogates: both break text columns, jsonb and JSON encoders."""
    whole = text.replace("\0", "").encode("utf-16", "surrogatepass")
    return whole.decode("utf-16", "replace")


def collapse(text: str) -> str:
    """Compose characters (NFC) and turn every run of white space into one blank."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def content_hash(text: str) -> str:
    """Return the SHA-256 (hex) of collapsed text; case counts, since it may be the correction."""
    return hashlib.sha256(collapse(text).encode()).hexdigest()
