"""Identifiers: UUIDs of version 7 (RFC 9562), minted by the application."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Mint a UUID whose first 48 bits are the time in milliseconds; the rest is random.

    Rows made later sort later, so indexes grow at their end.
    """
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
