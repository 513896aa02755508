"""Personal data and secrets become typed placeholders, before hashing and embedding (ADR 0034).

Everything is a pattern with a check (Luhn, mod 97, address parsing): no model, no network.
Host names, versions, uuids and ordinary numbers stay, since they are what agents are asked for.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from memories.screening.entropy import is_random
from memories.screening.structured import (
    iban_length,
    is_card,
    is_ipv4_address,
    is_ipv6_address,
    is_phone,
)

Check = Callable[[re.Match[str]], bool]


@dataclass(frozen=True)
class Redacted:
    """A text without personal data, and the kinds of what was found, sorted."""

    text: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """One shape of personal data. With a group `value`, only that part is replaced."""

    kind: str
    pattern: re.Pattern[str]
    accept: Check = lambda _match: True

    @property
    def placeholder(self) -> str:
        """What stands in for a match."""
        return f"[{self.kind.upper()}]"

    def apply(self, text: str) -> str:
        """Replace every accepted match."""
        return self.pattern.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        if not self.accept(match):
            return match[0]
        if "value" not in match.groupdict():
            return self.placeholder
        start, end = (position - match.start() for position in match.span("value"))
        return match[0][:start] + self.placeholder + match[0][end:]


class IbanRule:
    """Accounts: their length depends on the country, so they are read character by character."""

    kind = "iban"
    start = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ A-Za-z0-9])")

    def apply(self, text: str) -> str:
        """Replace every number whose length and check digits are right."""
        parts, position = [], 0
        for match in self.start.finditer(text):
            length = iban_length(text, match.start())
            if length and match.start() >= position:
                parts += [text[position : match.start()], "[IBAN]"]
                position = match.start() + length
        return "".join([*parts, text[position:]])


def _rule(kind: str, pattern: str, accept: Check | None = None, flags: int = 0) -> Rule:
    compiled = re.compile(pattern, flags)
    return Rule(kind, compiled, accept) if accept else Rule(kind, compiled)


PRIVATE_KEY = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"
    r"(?:.*?-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|[A-Za-z0-9+/=\s]*)"
)
API_KEY = r"""(?<![A-Za-z0-9_-])(?:
    sk-[A-Za-z0-9_-]{16,} | [spr]k_(?:live|test)_[A-Za-z0-9]{10,} | gh[opusr]_[A-Za-z0-9]{20,}
    | github_pat_[A-Za-z0-9_]{20,} | glpat-[A-Za-z0-9_-]{16,} | (?:AKIA|ASIA)[A-Z0-9]{16}
    | ibex_pat_[A-Za-z0-9_-]{20,} | ibex_dev_sk_[A-Za-z0-9]{8,} | xox[abeprs]-[A-Za-z0-9-]{10,}
    | AIza[A-Za-z0-9_-]{30,} | npm_[A-Za-z0-9]{30,} | pypi-[A-Za-z0-9_-]{30,} | hf_[A-Za-z0-9]{30,}
    | SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}
)"""
STATED = r"""\b(?:
    (?:password|passwd|passphrase|pwd)\s*(?:[:=]\s*|(?<=my\spassword)\s+is\s+)
    | (?:password|passwd|passphrase|pwd|pin\s?code|secret(?:[ _-]?key)?
        |(?:api|access)[ _-]?key|(?:auth|access)?[ _-]?token)
      \s*(?:[:=]|\bis\b:?)\s*(?=["'`]?\S*[0-9!#$%^&*+=@~])
)["'`]?(?P<value>(?!\[)[^\s"'`,;]{4,}?)(?=["'`,;]|[.!?]?(?:\s|$))"""
PHONE_BY_CONTEXT = r"""(?<!\[)
    \b(?:phone|telephone|tel|mobile|cell|whatsapp|fax|(?:call|text)\sme\s(?:at|on))\b
    [^\d+\n]{0,24}(?P<value>\(?\d[\d ()./-]{5,17}\d)(?![\w-])"""
EMAIL = (
    r"(?<![A-Za-z0-9._%+-])(?!git@)[A-Za-z0-9._%+-]{1,64}"
    r"@(?:[A-Za-z0-9-]{1,63}\.){1,32}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
)
US_PHONE = (
    r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?![\w-]|\.\d)"
)

RULES: tuple[Rule | IbanRule, ...] = (
    _rule("private_key", PRIVATE_KEY, flags=re.DOTALL),
    _rule("secret", r"://[^\s/:@]{1,64}:(?P<value>(?!\[)[^\s/@]{1,128})@"),
    _rule("jwt", r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),
    _rule("api_key", API_KEY, flags=re.VERBOSE),
    _rule("secret", STATED, flags=re.VERBOSE | re.IGNORECASE),
    _rule("email", EMAIL),
    IbanRule(),
    _rule("card", r"(?<![\w.,+-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)", is_card),
    _rule("ssn", r"(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])"),
    _rule("ip", r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-]|\.\d)", is_ipv4_address),
    _rule("ip", r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}(?![\w:])", is_ipv6_address),
    _rule("phone", r"(?<![\w.+])\+\d[\d ().-]{6,18}\d(?![\w-])", is_phone),
    _rule("phone", US_PHONE),
    _rule("phone", PHONE_BY_CONTEXT, is_phone, flags=re.VERBOSE | re.IGNORECASE),
    _rule("secret", r"(?<![\w/+=.-])[A-Za-z0-9/+]{20,}={0,2}(?![\w/+=])", is_random),
    _rule("secret", r"(?<![A-Za-z0-9_=+-])[A-Za-z0-9_=+-]{20,}", is_random),
)
PLACEHOLDER = re.compile("|".join(sorted({rf"\[{rule.kind.upper()}\]" for rule in RULES})))


def redact(text: str) -> Redacted:
    """Replace personal data and secrets by placeholders such as `[EMAIL]`.

    Redacting twice changes nothing: placeholders that are already there count as found.
    """
    for rule in RULES:
        text = rule.apply(text)
    kinds = {placeholder[1:-1].lower() for placeholder in PLACEHOLDER.findall(text)}
    return Redacted(text, tuple(sorted(kinds)))
