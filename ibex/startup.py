"""What a process refuses to start with."""

import psycopg

from ibex.env import env, is_development
from orgs.credentials import DEVELOPMENT_TOKEN, token_digest

MIN_SECRET_LENGTH = 32
SINGLE_SIGN_ON = ("IBEX_OIDC_URL", "IBEX_OIDC_CLIENT_ID", "IBEX_OIDC_CLIENT_SECRET")
SECRETS = ("IBEX_SECRET_KEY", "IBEX_TOKEN_KEY", "IBEX_SERVICE_TOKEN")

BYPASSES = """
SELECT r.rolsuper OR r.rolbypassrls OR EXISTS (
    SELECT 1 FROM pg_class c
    WHERE c.relname = 'orgs_token' AND pg_has_role(r.oid, c.relowner, 'USAGE')
) FROM pg_roles r WHERE r.rolname = current_user
"""
DIGEST_IS_KNOWN = "SELECT EXISTS (SELECT 1 FROM ibex_route(%s, NULL, NULL, NULL, NULL))"


class UnsafeStart(SystemExit):
    """The process would run without a protection that it promises."""


def refuse_unsafe_start(database_url: str) -> None:
    """Stop a process whose database role could bypass row-level security, or weak production.

    Raises `UnsafeStart` with the reason; `psycopg.OperationalError` when Postgres is away.
    """
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        row = connection.execute(BYPASSES).fetchone()
        if row is None or row[0]:
            raise UnsafeStart(
                "The runtime database role bypasses row-level security: use ibex_app."
            )
        if not is_development():
            _refuse_unsafe_sign_in()
            _refuse_development_leftovers(connection)


def _refuse_unsafe_sign_in() -> None:
    issuer, *client = (env.str(name, "") for name in SINGLE_SIGN_ON)
    if issuer and not all(client):
        raise UnsafeStart("IBEX_OIDC_URL needs IBEX_OIDC_CLIENT_ID and IBEX_OIDC_CLIENT_SECRET.")
    if issuer and not issuer.startswith("https://"):
        raise UnsafeStart("IBEX_OIDC_URL must be https://: it decides who an operator is.")


def _refuse_development_leftovers(connection: psycopg.Connection) -> None:
    for name in SECRETS:
        if len(env.str(name, "x" * MIN_SECRET_LENGTH)) < MIN_SECRET_LENGTH:
            raise UnsafeStart(f"{name} is shorter than {MIN_SECRET_LENGTH} characters.")
    if env.str("IBEX_LLM_MODE", "live") != "live":
        raise UnsafeStart("IBEX_LLM_MODE=local is a development stand-in.")
    digest = token_digest(DEVELOPMENT_TOKEN, env.str("IBEX_TOKEN_KEY", ""))
    row = connection.execute(DIGEST_IS_KNOWN, [digest]).fetchone()
    if row and row[0]:
        raise UnsafeStart("The development token exists in this database; revoke and remove it.")
