"""Telling random strings (keys, tokens) from identifiers, model names and hashes."""

import math
import re
from collections import Counter

MIN_PIECE = 16
MIN_ENTROPY_BITS = 3.3
MIN_BASE64_ENTROPY_BITS = 4.2
MIN_SWITCHES = 3
UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
HEXADECIMAL = re.compile(r"(?:0x)?[0-9a-f]+", re.IGNORECASE)
SWITCH = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


def is_random(match: re.Match[str]) -> bool:
    """Say whether a run of 20 or more key characters has the disorder of a secret.

    Uuids and hexadecimal digests stay (commits, container ids); so do words joined by hyphens.
    A random base-62 string of 20 characters switches between letters and digits 5 times on
    average; a class name with a version at its end switches once or twice.
    """
    text = match[0]
    if UUID.search(text) or HEXADECIMAL.fullmatch(text):
        return False
    return any(_is_disordered(piece) for piece in re.split(r"[_=+-]+", text))


def is_random_base64(match: re.Match[str]) -> bool:
    """Say whether 40 characters of base 64, slashes included, are a key and not a path."""
    compact = re.sub(r"[/+]", "", match[0])
    kinds = (str.isupper, str.islower, str.isdigit)
    mixed = all(any(kind(character) for character in compact) for kind in kinds)
    return mixed and entropy_bits(compact) >= MIN_BASE64_ENTROPY_BITS


def _is_disordered(piece: str) -> bool:
    if len(piece) < MIN_PIECE or not any(c.isdigit() for c in piece) or piece.isdigit():
        return False
    return len(SWITCH.findall(piece)) >= MIN_SWITCHES and entropy_bits(piece) >= MIN_ENTROPY_BITS


def entropy_bits(text: str) -> float:
    """Return Shannon's entropy of the characters, in bits a character."""
    total = len(text)
    return -sum(n / total * math.log2(n / total) for n in Counter(text).values())
