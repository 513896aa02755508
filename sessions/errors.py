"""What can go wrong with sessions."""

from ibex.errors import DomainError


class UnreadableBody(DomainError):
    """A turn's stored bytes are not what the recorder writes."""

    code = "INTERNAL_ERROR"

    def __init__(self, turn: object) -> None:
        super().__init__(f"The stored body of turn {turn} cannot be read.")
