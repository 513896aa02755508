"""Agent tokens: how they look, how they are made, and the digest that is stored (ADR 0010)."""

import base64
import hashlib
import hmac
import re
import secrets
from uuid import UUID

DEVELOPMENT_TOKEN = "ibex_dev_sk_LOCALDEVELOPMENTONLY"  # noqa: S105 - public on purpose
DEVELOPMENT_ORG_ID = UUID("00000000-0000-0000-0000-000000000001")
DEVELOPMENT_AGENT_ID = UUID("00000000-0000-0000-0000-000000000003")
SECRET_BYTES = 32
TOKEN_SHAPE = re.compile(
    r"ibex_pat_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_[A-Za-z0-9_-]{43}"
    rf"|{DEVELOPMENT_TOKEN}"
)


def new_token(token_id: UUID) -> str:
    """Make the text of a token: `ibex_pat_<uuid>_<43 characters>`, 256 random bits."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return f"ibex_pat_{token_id}_{secret}"


def token_digest(token: str, key: str) -> bytes:
    """Return the HMAC-SHA-256 (32 bytes) under the server's key; the only form that is stored."""
    return hmac.new(key.encode(), token.encode(), hashlib.sha256).digest()


def token_prefix(token: str) -> str:
    """Return the part of a token that may be shown: enough to recognise it, useless as a key."""
    return token[:17]
