"""What an item and the wrapper cost in tokens (ADR 0039).

Nothing is downloaded: `estimate_tokens` counts the larger of bytes / 4 and words x 1.3. Markup is
dense in tokens (a uuid is cut into single digits and letters), so it is counted apart, by
constants that are generous for the tokenizers in use.
"""

from context.formatting import INTRODUCTION, escape
from memories.retrieval import Candidate, estimate_tokens

ITEM_MARKUP_TOKENS = 46
"""Tags, an id of 36 characters (about 22 tokens), a date (6) and a category."""
WRAPPER_MARKUP_TOKENS = 60
"""Two tags, each with a nonce of 32 hexadecimal digits (about 20 tokens)."""


def item_tokens(item: Candidate) -> int:
    """Return what an item costs as it will stand in the block: escaped, with its markup."""
    return estimate_tokens(escape(item.content)) + ITEM_MARKUP_TOKENS


def wrapper_tokens() -> int:
    """Return what a block costs before its first item."""
    return estimate_tokens(INTRODUCTION) + WRAPPER_MARKUP_TOKENS
