"""Telling random strings (keys, tokens) from identifiers, model names, paths and hashes."""

import re

MIN_LENGTH = 20
MIN_PIECE = 16
MIN_DIGIT_SWITCHES = 3
MIN_SWITCH_SHARE = 0.42
UUID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
HEXADECIMAL = re.compile(r"(?:0x)?[0-9a-f]+", re.IGNORECASE)
SEPARATORS = re.compile(r"[/_=+-]+")
DIGIT_SWITCH = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
CASE_SWITCH = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[a-z])")


def is_random(match: re.Match[str]) -> bool:
    """Say whether a run of 20 or more key characters has the disorder of a secret.

    Uuids and hexadecimal digests stay (commits, container ids); so do words joined by hyphens,
    paths and class names. In random base 62 the kind of character (capital, small, digit) changes
    at 62 % of the places, in names written together at about 25 %.
    """
    text = match[0]
    if UUID.search(text) or HEXADECIMAL.fullmatch(text):
        return False
    return _is_mixed(SEPARATORS.sub("", text)) or any(map(_has_mixed_digits, _pieces(text)))


def _is_mixed(text: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    if len(text) < MIN_LENGTH or not all(any(map(kind, text)) for kind in kinds):
        return False
    switches = len(DIGIT_SWITCH.findall(text)) + len(CASE_SWITCH.findall(text))
    return switches >= MIN_SWITCH_SHARE * (len(text) - 1)


def _pieces(text: str) -> list[str]:
    return [piece for piece in SEPARATORS.split(text) if len(piece) >= MIN_PIECE]


def _has_mixed_digits(piece: str) -> bool:
    """Random small letters and digits: `k3j9x0q2m5n8p1r7t4`."""
    return len(DIGIT_SWITCH.findall(piece)) >= MIN_DIGIT_SWITCHES
