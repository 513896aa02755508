"""Checks that tell real card, account, telephone and network numbers from ordinary ones."""

import ipaddress
import re

CARD_SHAPES = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"  # American Express, Diners Club
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"  # Discover, JCB
    r"|62\d{14,17}|(?:50|5[6-9]|6\d)\d{10,17}"  # UnionPay, Maestro
)
VERSION_BEFORE = re.compile(r"\b(?:version|release|build|firmware|driver|v)\.?\s*$", re.IGNORECASE)
PHONE_DIGITS = range(7, 16)
IPV6_COLONS = 2
DATE = re.compile(r"\b(?:\d{4}[./-]\d\d?[./-]\d\d?|\d\d?[./-]\d\d?[./-]\d{4})\b")

# Length of an IBAN by country (ISO 13616 registry).
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def digits_of(text: str) -> str:
    """Return only the ASCII digits of `text`."""
    return "".join(character for character in text if "0" <= character <= "9")


def is_card(match: re.Match[str]) -> bool:
    """Say whether the digits have a card's prefix and length and pass Luhn's check."""
    digits = digits_of(match[0])
    return CARD_SHAPES.fullmatch(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """Check the last digit by Luhn's formula (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - a decimal digit
    return total % 10 == 0


def is_phone(match: re.Match[str]) -> bool:
    """Say whether there are 7 to 15 digits (E.164), and no date."""
    text = match["value"] if "value" in match.groupdict() else match[0]
    return len(digits_of(text)) in PHONE_DIGITS and not DATE.search(text)


def is_ipv4_address(match: re.Match[str]) -> bool:
    """Tell four numbers of an address from a four-part version."""
    if VERSION_BEFORE.search(match.string, max(0, match.start() - 16), match.start()):
        return False
    return all(int(part) <= 255 for part in match[0].split("."))  # noqa: PLR2004 - an octet


def is_ipv6_address(match: re.Match[str]) -> bool:
    """Tell an address from a time of day or a scope operator."""
    text = match[0]
    if text.count(":") < IPV6_COLONS or not any(character.isdigit() for character in text):
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def iban_length(text: str, start: int) -> int:
    """Return how many characters from `start` are a valid IBAN, single blanks included, or 0."""
    wanted = IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    compact, position = "", start
    while len(compact) < wanted and position < len(text):
        character = text[position]
        if not (character.isascii() and character.isalnum()):
            if character != " " or not text[position + 1 : position + 2].isalnum():
                return 0
        else:
            compact += character.upper()
        position += 1
    followed = text[position : position + 1]
    if not wanted or len(compact) < wanted or (followed.isascii() and followed.isalnum()):
        return 0
    return position - start if mod97(compact) == 1 else 0


def mod97(compact: str) -> int:
    """Return the remainder that ISO 7064 defines; 1 for a valid IBAN."""
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97
