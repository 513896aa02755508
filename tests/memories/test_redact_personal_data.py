"""Personal data and secrets become placeholders; host names, versions and numbers stay."""

import base64
import ipaddress
import json
import random
import secrets
import string
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibex.ids import uuid7
from memories.screening.redaction import redact
from memories.screening.structured import IBAN_LENGTHS, luhn, mod97
from orgs.credentials import DEVELOPMENT_TOKEN, new_token
from tests.conftest import FULL

EXAMPLES = 2_000 if FULL else 100
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Mail ana.b+x@mail.example.co.uk now", "Mail [EMAIL] now"),
        ("<ana@example.com>", "<[EMAIL]>"),
        ("call +49 (0)170 1234567.", "call [PHONE]."),
        ("call (555) 234-5678", "call [PHONE]"),
        ("call 555-234-5678", "call [PHONE]"),
        ("my phone number is 5552345678", "my phone number is [PHONE]"),
        ("card 4111 1111 1111 1111!", "card [CARD]!"),
        ("card 378282246310005", "card [CARD]"),
        ("card 5555-5555-5555-4444", "card [CARD]"),
        ("DE89 3704 0044 0532 0130 00 is mine", "[IBAN] is mine"),
        ("gb82west12345698765432", "[IBAN]"),
        ("ssn 123-45-6789", "ssn [SSN]"),
        ("at 10.0.0.12:5432", "at [IP]:5432"),
        ("192.168.1.1/24", "[IP]/24"),
        ("fe80::1ff:fe23:4567:890a", "[IP]"),
        ("key sk-proj-abcdefghijklmnop1234", "key [API_KEY]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[API_KEY]"),
        ("AKIAIOSFODNN7EXAMPLE", "[API_KEY]"),
        (DEVELOPMENT_TOKEN, "[API_KEY]"),
        (f"token {JWT}", "token [JWT]"),
        (f"key:\n{PRIVATE_KEY}\nend", "key:\n[PRIVATE_KEY]\nend"),
        ("wJ4lrXUtnF3MI/K7mDeNG/bPx9fiCYz0x8mPl7KE", "[SECRET]"),
        ("use q9X2mL7vB4nT8kR3wZ6p", "use [SECRET]"),
        ("my password is sunshine", "my password is [SECRET]"),
        ("password: letmein, ok", "password: [SECRET], ok"),
        ("the api key = abcd1234", "the api key = [SECRET]"),
        (
            "postgres://user:s3cr3t@db.example.com:5432/app",
            "postgres://user:[SECRET]@db.example.com:5432/app",
        ),
    ],
)
def test_personal_data_becomes_a_typed_placeholder(text: str, redacted: str) -> None:
    assert redact(text).text == redacted


@pytest.mark.parametrize(
    "text",
    [
        "My database host is db.smoketest.example.com.",
        "https://docs.example.com/en/5.2/ref/models?page=12#top",
        "git@github.com:org/repo.git",
        "10,000 users, 1 234 567 890 rows, 99.95 %, 3.14159265358979",
        "Python 3.11.7, version 1.2.3.4, v10.20.30.40",
        "order number 123456789 of 2026-11-22 10:00 and 22.11.2026",
        "at 12:30:45, std::vector, a::b, ::",
        "card 4111 1111 1111 1112",
        "DE88 3704 0044 0532 0130 00",
        "666-12-3456 and 123-456-789",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "all-MiniLM-L6-v2, gpt-4o-mini-2024-07-18, Qwen2.5-Coder-32B-Instruct-AWQ",
        "AbstractSingletonProxyFactoryBean2 and test_the_first_turn_is_learned_like_every_other",
        "The token is expired, the secret is patience, a password is required.",
        "My token budget is 2,000 tokens. My birthday is 3 May 1990.",
        "/usr/local/lib/python3.11/site-packages/django/contrib/auth",
        "1763800000000 ms, 0xDEADBEEF, 00:1a:2b:3c:4d:5e",
    ],
)
def test_what_agents_are_asked_for_stays(text: str) -> None:
    assert redact(text).text == text


def test_kinds_are_named_once_and_sorted() -> None:
    found = redact("b@example.com a@example.com 10.0.0.1")
    assert found.kinds == ("email", "ip")
    assert redact("nothing here").kinds == ()


@settings(max_examples=EXAMPLES)
@given(st.text(alphabet=string.printable, max_size=200))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once.text) == once


@settings(max_examples=EXAMPLES)
@given(
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=30),
    st.lists(st.text(string.ascii_letters, min_size=2, max_size=12), min_size=2, max_size=6),
)
def test_every_address_goes(name: str, labels: list[str]) -> None:
    assert redact(f"Write to {name}@{'.'.join(labels)}, please").text == "Write to [EMAIL], please"


@settings(max_examples=EXAMPLES)
@given(st.integers(0, 10**14 - 1), st.sampled_from(["", " ", "-"]))
def test_every_card_number_goes(number: int, separator: str) -> None:
    body = f"4{number:014d}"
    check = next(digit for digit in string.digits if luhn(body + digit))
    groups = [(body + check)[i : i + 4] for i in range(0, 16, 4)]
    assert redact(f"Pay with {separator.join(groups)} now").text == "Pay with [CARD] now"


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.randoms(use_true_random=False), st.booleans())
def test_every_account_number_goes(country: str, chance: random.Random, in_groups: bool) -> None:
    body = "".join(chance.choices(string.digits, k=IBAN_LENGTHS[country] - 4))
    number = f"{country}{98 - mod97(f'{country}00{body}'):02d}{body}"
    groups = [number[i : i + 4] for i in range(0, len(number), 4)]
    assert redact(f"Pay {' '.join(groups) if in_groups else number}.").text == "Pay [IBAN]."


@settings(max_examples=EXAMPLES)
@given(st.ip_addresses())
def test_every_network_address_goes(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    text = str(address)
    if address.version == 4 or any(digit in text for digit in string.digits):
        assert redact(f"from {text} today").text == "from [IP] today"


@settings(max_examples=EXAMPLES)
@given(st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}", "{} EUR", "{}.5"]))
def test_ordinary_numbers_stay(number: int, form: str) -> None:
    text = f"The total is {form.format(number)} today."
    assert redact(text).text == text


@settings(max_examples=EXAMPLES)
@given(st.uuids())
def test_uuids_stay(identity: uuid.UUID) -> None:
    assert redact(f"row {identity} {identity.hex}").text == f"row {identity} {identity.hex}"


def test_generated_secrets_go() -> None:
    texts = [secrets.token_urlsafe(32) for _ in range(EXAMPLES)]
    texts += [base64.b64encode(secrets.token_bytes(24)).decode() for _ in range(EXAMPLES)]
    kept = [text for text in texts if redact(f"x {text} y").text == f"x {text} y"]
    assert len(kept) <= len(texts) * 0.02
    assert redact(new_token(uuid7())).text == "[API_KEY]"


def test_json_stays_json() -> None:
    text = json.dumps({"to": "ana@example.com", "card": "4111111111111111", "n": 3})
    assert json.loads(redact(text).text) == {"to": "[EMAIL]", "card": "[CARD]", "n": 3}
