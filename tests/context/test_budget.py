"""Tokens are estimated without a tokenizer, and not from below."""

from context.budget import item_tokens, wrapper_tokens
from embedder.pieces import Cutter
from memories.retrieval import estimate_tokens
from tests.context.candidates import memory

SENTENCES = [
    "The user's primary database host is db.smoketest.example.com.",
    "Deployments go out on Fridays after 16:00 UTC, except in the last week of a quarter.",
    "She said that she would rather walk to the harbour than take the tram again.",
    "Die Besprechung wurde auf Donnerstag verschoben, weil der Raum nicht frei war.",
]


def test_prose_is_counted_within_a_third_of_a_real_tokenizer() -> None:
    cutter = Cutter()
    for text in SENTENCES[:3]:
        (pieces,) = cutter.cut([text], "passage")
        assert 0.67 < estimate_tokens(text) / pieces.count < 1.5


def test_many_short_words_and_few_long_ones_are_both_counted() -> None:
    assert estimate_tokens("a b c d e f g h i j") == 14
    assert estimate_tokens("x" * 400) == 101
    assert estimate_tokens("会議") >= 2
    assert estimate_tokens("") == 0


def test_markup_and_escaping_are_counted() -> None:
    plain, escaped = memory("tea and cake " * 20), memory('"tea" & <cake> ' * 20)
    assert item_tokens(plain) > estimate_tokens(plain.content) + 40
    assert item_tokens(escaped) > item_tokens(plain)
    assert wrapper_tokens() > 80
