"""Secrets of second factors are kept encrypted, under a key that the database does not have."""

import base64
import functools

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"ibex second factors v1"


def encrypt(text: str) -> str:
    """Encrypt a secret for the database."""
    return _cipher(settings.SECRET_KEY).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Read a secret from the database. Raises `InvalidToken` when `IBEX_SECRET_KEY` is another."""
    return _cipher(settings.SECRET_KEY).decrypt(token.encode()).decode()


@functools.cache
def _cipher(secret_key: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
