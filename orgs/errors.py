"""What can go wrong with organizations, operators and tokens."""

from http import HTTPStatus

from ibex.errors import DomainError
from orgs.permissions import Permission


class PermissionElevation(DomainError):
    """Somebody tried to grant what they do not hold."""

    code = "INSUFFICIENT_PERMISSIONS"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, missing: Permission) -> None:
        super().__init__(f"You cannot grant what you do not hold: {missing.name}.")


class LastOwner(DomainError):
    """The last owner cannot be demoted, suspended or removed."""

    code = "LAST_OWNER_PROTECTED"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("An organization keeps at least one owner.")


class TokenExists(DomainError):
    """The same request came twice: the secret was in the answer to the first."""

    code = "TOKEN_EXISTS"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "This token was created already, and its secret was shown then. If it was lost, "
            "revoke the token and create another."
        )
