"""Subject keys: what a memory is about, such as `user.database.host`."""

import re

WORD = re.compile(r"[^\W_]+(?:[.+#'@-]+[^\W_]+)*[+#]*")
MAX_WORDS = 8
LEFT_OUT = frozenset(
    "a an the my our their his her its of in on at to for with and or very really so own new"
    " current actual now also just as by is are be some any please main".split()
)
ALIASES = {
    "db": "database",
    "fav": "favorite",
    "favourite": "favorite",
    "colour": "color",
    "bday": "birthday",
    "mom": "mother",
    "mum": "mother",
    "dad": "father",
    "cellphone": "phone",
    "repo": "repository",
    "prod": "production",
    "env": "environment",
    "e-mail": "email",
    "hometown": "origin",
    "spouse": "partner",
    "tz": "timezone",
}
OPPOSITES = (
    frozenset({"dark", "light"}),
    frozenset({"short", "long", "brief", "detailed", "concise", "verbose", "terse"}),
    frozenset({"formal", "informal", "casual"}),
    frozenset({"metric", "imperial"}),
    frozenset({"tabs", "spaces"}),
    frozenset({"mornings", "evenings", "morning", "evening"}),
    frozenset({"british", "american"}),
    frozenset({"12-hour", "24-hour"}),
)


def slug(text: str, *, limit: int = MAX_WORDS) -> str:
    """Return the telling words of `text`, lower-case, joined by dots."""
    return ".".join(_words(text)[:limit])


def key(*parts: str) -> str:
    """Join parts to a key; empty parts are left out."""
    return ".".join(filter(None, (slug(part) for part in parts)))


def preference_key(liked: str) -> str:
    """Return the key of a preference; one of two opposites shares its key with the other."""
    words = _words(liked)
    for scale in OPPOSITES:
        if scale & set(words):
            rest = [word for word in words if word not in scale and word not in {"over", "than"}]
            return ".".join(rest or [min(scale)])
    sides = re.split(r"\s+(?:over|to|rather than|instead of)\s+", liked, flags=re.IGNORECASE)
    return ".".join(sorted(filter(None, map(slug, sides))))


def _words(text: str) -> list[str]:
    words = []
    for found in WORD.findall(text.lower()):
        word = re.sub(r"'s?$", "", found)
        if word not in LEFT_OUT:
            words.append(ALIASES.get(word, word))
    return words
