"""What can go wrong with directives."""

from ibex.errors import DomainError


class DirectiveSize(DomainError):
    """A directive is 1 to 32,768 bytes of UTF-8."""

    code = "VALIDATION_ERROR"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"A directive has 1 to {limit:,} bytes; this one has {size:,}.")
