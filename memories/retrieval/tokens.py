"""How many tokens a text is, without a tokenizer."""

BYTES_PER_TOKEN = 4
TOKENS_PER_WORD = 1.3


def estimate_tokens(text: str) -> int:
    """Estimate from above, roughly: the larger of bytes / 4 and words x 1.3 (ADR 0039).

    English prose is about 1.3 tokens a word; long words, code and other scripts are caught by
    their bytes. Every model cuts differently, so budgets keep a reserve beside this.
    """
    by_size = len(text.encode(errors="replace")) / BYTES_PER_TOKEN
    by_words = len(text.split()) * TOKENS_PER_WORD
    return int(max(by_size, by_words)) + 1 if text else 0
