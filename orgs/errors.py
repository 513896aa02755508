"""What can go wrong with organizations, operators and tokens."""

from http import HTTPStatus

from ibex.errors import DomainError
from orgs.models import Token
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


class TokenEnded(DomainError):
    """What opens nothing any more has nothing to hand on."""

    code = "TOKEN_ENDED"
    status = HTTPStatus.CONFLICT

    def __init__(self, state: str) -> None:
        super().__init__(f"This token is {state}, so it cannot be rotated. Create another.")


class TokenRotated(DomainError):
    """A token has one successor; its secret was in the answer that made it."""

    code = "TOKEN_ROTATED"
    status = HTTPStatus.CONFLICT

    def __init__(self, successor: Token) -> None:
        self.successor = successor
        super().__init__(
            f"This token was rotated already, into {successor.prefix}… ({successor.pk}), whose "
            "secret was shown then. If that was lost, rotate the newer one."
        )


class RoleOutOfReach(DomainError):
    """Nobody gives or takes a role that may do more than they may themselves."""

    code = "INSUFFICIENT_PERMISSIONS"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, role: str) -> None:
        super().__init__(f"You do not hold all that {role} may do, so you cannot give or take it.")


class OwnSuspension(DomainError):
    """Whoever suspends themselves could not take it back."""

    code = "CONFLICT"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("You cannot suspend yourself; you can leave, or have another do it.")


class OwnSignOut(DomainError):
    """One's own browsers are ended where one can keep the present one."""

    code = "CONFLICT"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("Your own browsers are signed out on your own page.")


class MemberGone(DomainError):
    """Somebody else removed the member in the meantime."""

    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("This person is no member any more.")


class AlreadyMember(DomainError):
    """The person of this address is in the organization already."""

    code = "ALREADY_MEMBER"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("Somebody with this address is a member already.")


class AlreadyInvited(DomainError):
    """An invitation of this address waits; it can be sent again, or withdrawn."""

    code = "ALREADY_INVITED"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("This address is invited already. Send that invitation again.")


class InvitationClosed(DomainError):
    """The link is unknown, used, withdrawn or too old: the same words for all of them."""

    code = "INVITATION_CLOSED"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("This invitation is not valid any more. Ask for another.")


class InvitationForAnother(DomainError):
    """The one who is signed in is not the one who was invited, or has an account to sign in to."""

    code = "INVITATION_FOR_ANOTHER"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("Sign in with the address that was invited.")
