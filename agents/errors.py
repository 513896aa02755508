"""What can go wrong with agents."""

from http import HTTPStatus

from ibex.errors import DomainError


class AgentArchived(DomainError):
    """An archived agent is final: it cannot be changed or served again."""

    code = "AGENT_ARCHIVED"
    status = HTTPStatus.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is archived, which is final.")
