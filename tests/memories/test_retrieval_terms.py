"""Text becomes the same terms whether it is stored or asked."""

from hypothesis import given
from hypothesis import strategies as st

from memories.indexing.terms import MAX_TERM_LENGTH, MAX_TERMS, count_terms


def test_words_are_stemmed_counted_and_freed_of_stop_words() -> None:
    assert count_terms("The runner runs, running with runners.") == {"runner": 2, "run": 2}


def test_contractions_and_accents_do_not_matter() -> None:
    assert count_terms("Zoë\u2019s café isn't open") == {"zoe": 1, "cafe": 1, "open": 1}


def test_what_is_written_as_one_piece_is_found_whole_and_by_its_parts() -> None:
    terms = count_terms("Host db.smoketest.example.com, mail ada@example.com.")
    assert {"db.smoketest.example.com", "db", "smoketest", "exampl", "com"} <= set(terms)
    assert {"ada@example.com", "ada"} <= set(terms)
    assert {"3.11.4", "3", "11", "4"} == set(count_terms("3.11.4"))
    assert "us-east-1" in count_terms("in us-east-1.")
    assert {"user_id", "user", "id"} == set(count_terms("user_id"))


def test_a_flood_is_cut() -> None:
    terms = count_terms(" ".join(f"word{number}" for number in range(5_000)) + "x" * 500)
    assert len(terms) == MAX_TERMS
    assert max(map(len, count_terms("x" * 500))) == MAX_TERM_LENGTH


@given(st.text())
def test_any_text_has_terms_that_fit_the_index(text: str) -> None:
    terms = count_terms(text)
    assert terms == count_terms(text)
    assert all(0 < len(term) <= MAX_TERM_LENGTH and "\0" not in term for term in terms)
