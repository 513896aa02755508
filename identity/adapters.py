"""Where allauth asks us: who may sign in, what is said, and how secrets are kept."""

import smtplib
from typing import Any

import qrcode
import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.core.exceptions import SignupClosedException
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ibex.http import client_ip
from identity import secrets
from orgs.models import Operator

WRONG = "The address or the password is not right."
WRONG_CODE = "That code is not right, or it was used before."
NO_CLIENT = "0.0.0.0"  # noqa: S104 - no server listens here: a socket without an address

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Operators are invited; one sentence refuses them, whatever was wrong."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": WRONG,
        "incorrect_password": "That is not your password.",
        "incorrect_code": WRONG_CODE,
        "too_many_login_attempts": "Too many codes were wrong. Wait ten minutes, then try again.",
        "rate_limited": "Too many attempts. Wait ten minutes, then try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's
        """Let nobody sign up."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that the server established; see `ibex.http.client_ip`."""
        return client_ip(request) or NO_CLIENT

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the counting of passwords to axes: one way, which an admin can see and lift."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Operator | None:
        """Return who these credentials are; one who was deactivated is nobody."""
        found: Operator | None = super().authenticate(request, **credentials)
        return found if found and found.is_active else None

    def reauthenticate(self, user: Operator, password: str) -> bool:
        """Say whether this is the operator's password; wrong ones count as at sign-in."""
        found = self.authenticate(context.request, email=user.email, password=password)
        return found == user

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        """Go back to the operator's own page."""
        return reverse("me")

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Operator,
        context: dict[str, Any] | None = None,  # noqa: A002, RUF100 - allauth's name
        email: str | None = None,
    ) -> None:
        """Tell an operator by mail what changed; the change holds even if the mail is lost."""
        if not settings.SENDS_MAIL:
            return
        try:
            super().send_notification_mail(template_prefix, user, context, email or user.email)
        except (smtplib.SMTPException, OSError) as error:
            log.warning("mail.notification_lost", kind=template_prefix, error=type(error).__name__)


class MfaAdapter(DefaultMFAAdapter):
    """Secrets encrypted, names in our words, the QR code as a drawing that a strict CSP allows."""

    error_messages = DefaultMFAAdapter.error_messages | {"incorrect_code": WRONG_CODE}

    def encrypt(self, text: str) -> str:
        """Encrypt a TOTP key or the seed of recovery codes."""
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Read what `encrypt` wrote."""
        return secrets.decrypt(encrypted_text)

    def build_totp_svg(self, url: str) -> SafeString:
        """Draw the code black on white in either theme."""
        code = qrcode.QRCode(border=2)
        code.add_data(url)
        rows = code.get_matrix()
        squares = (
            f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
        )
        return format_html(
            '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="QR code of the key">'
            '<rect width="{0}" height="{0}"></rect><path d="{1}"></path></svg>',
            len(rows),
            "".join(squares),
        )

    def generate_authenticator_name(self, user: Operator, type: Authenticator.Type) -> str:  # noqa: A002
        """Suggest a name for a new passkey."""
        count = Authenticator.objects.filter(user=user, type=type).count()
        return f"Passkey {count + 1}" if count else "Passkey"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Name this console to passkeys by its host; a port is no part of it."""
        return {"id": context.request.get_host().partition(":")[0], "name": "IBEX"}


class SingleSignOnAdapter(DefaultSocialAccountAdapter):
    """An identity provider lets in operators who are there already, by verified address alone."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002
        """Make no operator of a stranger."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:  # noqa: ARG002
        """Find the operator by the address that the provider vouches for, each time anew.

        No link is kept: an address that the provider takes away opens nothing any more.
        Raises `SignupClosedException` when no active operator has a verified address.
        """
        verified = [
            address.email.strip().lower()
            for address in sociallogin.email_addresses
            if address.verified is True  # a provider's "false" is a string, and true
        ]
        operator = Operator.objects.filter(email__in=verified, is_active=True).first()
        if operator is None:
            raise SignupClosedException
        sociallogin.user = operator
