"""What every route of the console answers to whom: the contract's permissions, route by route.

A new route is added here, in one of three tables: `ORG` for pages of an organization, behind a
permission; `OWN` for an operator's own; `OPEN` for what is there before anybody has signed in.
"""

from typing import NamedTuple

from orgs.permissions import Permission

P = Permission

NOBODY_ASKS = P(0)
"""Every member may: what is shown depends on who asks."""
CAN_EXPLAIN = P.SESSION_READ | P.TRACE_READ | P.MEMORY_READ
RESET = "/accounts/password/^reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"
AGENT, MEMORY, SESSION = "<uuid:agent_id>", "<uuid:memory_id>", "<uuid:session_id>"
TURN = f"/sessions/{SESSION}/turns/<int:index>"
DIRECTIVE = f"/agents/{AGENT}/directive"
MEMBER, INVITATION = "<uuid:membership_id>", "<uuid:invitation_id>"


class Row(NamedTuple):
    """What a GET and a POST answer to an owner, and the permissions that each asks for."""

    get: int
    reads: P
    post: int
    writes: P


def shown(needs: P, status: int = 200) -> Row:
    """A page, or a part of one, that nothing is posted to."""
    return Row(status, needs, 405, needs)


def done(needs: P, status: int = 302) -> Row:
    """A change without a page of its own."""
    return Row(405, needs, status, needs)


def form(reads: P, writes: P, status: int = 302) -> Row:
    """A page with a form that is posted to itself."""
    return Row(200, reads, status, writes)


ORG: dict[str, Row] = {
    "/": shown(P.AGENT_READ),
    "/audit/": shown(P.AUDIT_READ),
    "/audit/<uuid:event_id>/": shown(P.AUDIT_READ),
    "/dead-letters/": shown(P.JOB_MANAGE),
    "/dead-letters/<uuid:letter_id>/peek/": shown(P.JOB_MANAGE),
    "/dead-letters/retry/": done(P.JOB_MANAGE),
    "/palette/": shown(NOBODY_ASKS),
    "/views/save/": done(NOBODY_ASKS),
    "/views/<uuid:view_id>/delete/": done(NOBODY_ASKS),
    "/setup/first-request/": shown(P.AGENT_READ),
    "/setup/hide/": done(P.AGENT_READ),
    "/settings/lockouts/": shown(P.USER_MANAGE),
    "/settings/lockouts/<int:lockout_id>/lift/": done(P.USER_MANAGE),
    "/settings/organization/": form(P.ORG_SETTINGS, P.ORG_SETTINGS),
    "/settings/members/": shown(P.USER_MANAGE),
    f"/settings/members/{MEMBER}/": shown(P.USER_MANAGE),
    "/settings/members/invite/": done(P.USER_MANAGE, 200),
    f"/settings/members/{MEMBER}/role/": done(P.USER_MANAGE),
    f"/settings/members/{MEMBER}/suspend/": done(P.USER_MANAGE),
    f"/settings/members/{MEMBER}/unsuspend/": done(P.USER_MANAGE),
    f"/settings/members/{MEMBER}/sign-out/": done(P.USER_MANAGE),
    f"/settings/members/{MEMBER}/remove/": form(P.USER_MANAGE, P.USER_MANAGE),
    f"/settings/invitations/{INVITATION}/resend/": done(P.USER_MANAGE, 200),
    f"/settings/invitations/{INVITATION}/withdraw/": done(P.USER_MANAGE),
    "/settings/tokens/": shown(P.TOKEN_CREATE),
    "/settings/tokens/new/": form(P.TOKEN_CREATE, P.TOKEN_CREATE, 200),
    "/settings/tokens/<uuid:token_id>/": shown(P.TOKEN_CREATE),
    "/settings/tokens/<uuid:token_id>/rotate/": form(
        P.TOKEN_CREATE | P.TOKEN_REVOKE, P.TOKEN_CREATE | P.TOKEN_REVOKE, 200
    ),
    "/settings/tokens/<uuid:token_id>/revoke/": form(P.TOKEN_REVOKE, P.TOKEN_REVOKE),
    "/agents/": shown(P.AGENT_READ),
    "/agents/new/": form(P.AGENT_READ, P.AGENT_READ | P.AGENT_WRITE),
    "/agents/bulk/pause/": done(P.AGENT_READ | P.AGENT_WRITE),
    "/agents/bulk/activate/": done(P.AGENT_READ | P.AGENT_WRITE),
    f"/agents/{AGENT}/": shown(P.AGENT_READ),
    f"/agents/{AGENT}/peek/": shown(P.AGENT_READ),
    f"/agents/{AGENT}/figures/": shown(P.AGENT_READ),
    f"/agents/{AGENT}/settings/": form(P.AGENT_READ, P.AGENT_READ | P.AGENT_WRITE),
    f"/agents/{AGENT}/pause/": done(P.AGENT_READ | P.AGENT_WRITE),
    f"/agents/{AGENT}/activate/": done(P.AGENT_READ | P.AGENT_WRITE),
    f"/agents/{AGENT}/archive/": form(P.AGENT_READ, P.AGENT_READ | P.AGENT_WRITE),
    f"/agents/{AGENT}/memories/": shown(P.MEMORY_READ),
    f"/agents/{AGENT}/sessions/": shown(P.SESSION_READ),
    "/memories/": shown(P.MEMORY_READ),
    "/memories/new/": form(P.MEMORY_WRITE, P.MEMORY_WRITE),
    "/memories/review/": shown(P.MEMORY_READ),
    "/memories/undo/<uuid:request_id>/": done(P.MEMORY_WRITE),
    "/memories/bulk/archive/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    "/memories/bulk/restore/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    "/memories/bulk/tag/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    "/memories/bulk/delete/": done(P.MEMORY_READ | P.MEMORY_DELETE),
    f"/memories/{MEMORY}/": shown(P.MEMORY_READ),
    f"/memories/{MEMORY}/peek/": shown(P.MEMORY_READ),
    f"/memories/{MEMORY}/edit/": form(P.MEMORY_WRITE, P.MEMORY_WRITE),
    f"/memories/{MEMORY}/tag/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/feedback/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/archive/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/restore/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/delete/": done(P.MEMORY_READ | P.MEMORY_DELETE),
    f"/memories/{MEMORY}/pin/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/unpin/": done(P.MEMORY_READ | P.MEMORY_WRITE),
    f"/memories/{MEMORY}/quarantine/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    f"/memories/{MEMORY}/accept/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    f"/memories/{MEMORY}/keep/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    f"/memories/{MEMORY}/replace/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    f"/memories/{MEMORY}/keep-both/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    f"/memories/{MEMORY}/reject/": done(P.MEMORY_READ | P.MEMORY_REVIEW),
    "/sessions/": shown(P.SESSION_READ),
    "/sessions/bulk/terminate/": done(P.SESSION_READ | P.SESSION_TERMINATE),
    f"/sessions/{SESSION}/": shown(P.SESSION_READ),
    f"/sessions/{SESSION}/peek/": shown(P.SESSION_READ),
    f"/sessions/{SESSION}/tail/": shown(P.SESSION_READ),
    f"/sessions/{SESSION}/archive/": done(P.SESSION_READ | P.SESSION_EXPORT),
    f"/sessions/{SESSION}/terminate/": done(P.SESSION_TERMINATE),
    f"{TURN}/": shown(P.SESSION_READ, 302),
    f"{TURN}/request/": shown(P.SESSION_READ),
    f"{TURN}/answer/": shown(P.SESSION_READ),
    f"{TURN}/pieces/<int:number>/": shown(P.SESSION_READ),
    f"{TURN}/prompt/": shown(CAN_EXPLAIN),
    f"{TURN}/why/": shown(CAN_EXPLAIN),
    f"{TURN}/why/memories/{MEMORY}/pin/": done(CAN_EXPLAIN | P.MEMORY_WRITE),
    f"{TURN}/why/memories/{MEMORY}/unpin/": done(CAN_EXPLAIN | P.MEMORY_WRITE),
    f"{TURN}/why/memories/{MEMORY}/archive/": done(CAN_EXPLAIN | P.MEMORY_WRITE),
    f"{TURN}/why/memories/{MEMORY}/quarantine/": done(CAN_EXPLAIN | P.MEMORY_REVIEW),
    "/directives/": shown(P.DIRECTIVE_READ),
    f"{DIRECTIVE}/": form(P.DIRECTIVE_READ, P.DIRECTIVE_READ | P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/peek/": shown(P.DIRECTIVE_READ),
    f"{DIRECTIVE}/draft/": done(P.DIRECTIVE_WRITE, 200),
    f"{DIRECTIVE}/draft/discard/": done(P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/drafts/<uuid:draft_id>/": shown(P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/drafts/<uuid:draft_id>/take/": done(P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/review/": form(P.DIRECTIVE_READ, P.DIRECTIVE_READ | P.DIRECTIVE_PUSH),
    f"{DIRECTIVE}/pushes/<int:number>/": shown(P.DIRECTIVE_READ),
    f"{DIRECTIVE}/pushes/<int:number>/retry/": done(P.DIRECTIVE_PUSH, 409),  # it was replaced
    f"{DIRECTIVE}/versions/": shown(P.DIRECTIVE_READ),
    f"{DIRECTIVE}/versions/<int:number>/": shown(P.DIRECTIVE_READ),
    f"{DIRECTIVE}/versions/<int:number>/edit/": done(P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/versions/<int:number>/copy/": form(P.DIRECTIVE_WRITE, P.DIRECTIVE_WRITE),
    f"{DIRECTIVE}/versions/<int:number>/roll-back/": done(P.DIRECTIVE_PUSH),
    "/demo/": done(P.ERASE),
    "/demo/remove/": Row(404, P.ERASE, 404, P.ERASE),
    "/status/": shown(P.ANALYTICS_READ),
    "/jobs/": shown(NOBODY_ASKS),
    "/jobs/bell/": shown(NOBODY_ASKS),
    "/jobs/read/": done(NOBODY_ASKS),
    "/jobs/<uuid:job_id>/": shown(NOBODY_ASKS),
    "/jobs/<uuid:job_id>/peek/": shown(NOBODY_ASKS),
    "/jobs/<uuid:job_id>/row/": shown(NOBODY_ASKS),
    "/jobs/<uuid:job_id>/cancel/": done(NOBODY_ASKS),
    "/jobs/<uuid:job_id>/retry/": done(NOBODY_ASKS),
}
"""Pages of an organization: what its owner gets, and the permissions it takes."""


class Door(NamedTuple):
    """What a GET and a POST answer Alice, whose rows they are, and any other operator."""

    alice: tuple[int, int]
    others: tuple[int, int]


def alike(get: int, post: int) -> Door:
    """The same for every operator."""
    return Door((get, post), (get, post))


OWN: dict[str, Door] = {
    "/accounts/confirm/": alike(200, 200),
    "/accounts/password/change/": alike(200, 200),
    "/accounts/password/set/": alike(302, 302),
    "/accounts/second-factor/confirm/": Door((200, 200), (302, 302)),
    "/accounts/second-factor/required/": alike(302, 405),
    "/accounts/second-factor/app/": Door((302, 302), (200, 200)),
    "/accounts/second-factor/app/remove/": Door((200, 302), (404, 404)),
    "/accounts/second-factor/codes/": Door((200, 405), (404, 405)),
    "/accounts/second-factor/codes/new/": Door((200, 302), (200, 200)),
    "/accounts/second-factor/codes/download/": Door((200, 405), (404, 404)),
    "/accounts/passkeys/add/": alike(200, 200),
    "/accounts/passkeys/confirm/": Door((200, 302), (302, 302)),
    "/accounts/passkeys/<int:pk>/rename/": Door((200, 200), (404, 404)),
    "/accounts/passkeys/<int:pk>/remove/": Door((200, 302), (404, 404)),
    "/settings/me/": alike(200, 302),
    "/settings/me/theme/": alike(405, 204),
    "/settings/me/devices/<int:device_id>/end/": Door((405, 302), (405, 404)),
    "/settings/me/devices/end-others/": alike(405, 302),
    "/organizations/": Door((200, 302), (200, 404)),
    "/help/": alike(200, 405),
}
"""An operator's own pages, whatever their organization: a stranger is asked to sign in.

Alice has every factor and a second browser; the others have none, and are not in her organization.
"""

OPEN: dict[str, tuple[tuple[int, int], Door]] = {
    "/api/v1/archives/<str:signed>": ((200, 405), alike(200, 405)),
    "/accounts/sign-in/": ((200, 200), alike(302, 302)),
    "/accounts/sign-out/": ((302, 302), alike(200, 302)),
    "/accounts/inactive/": ((200, 405), alike(200, 405)),
    "/accounts/password/reset/": ((200, 200), alike(200, 200)),
    "/accounts/password/reset/done/": ((200, 405), alike(200, 405)),
    RESET: ((302, 302), alike(302, 302)),
    "/accounts/password/reset/changed/": ((200, 405), alike(200, 405)),
    "/accounts/second-factor/": ((302, 302), alike(302, 302)),
    "/accounts/second-factor/settings/": ((302, 302), alike(302, 302)),
    "/accounts/passkeys/": ((302, 302), alike(302, 302)),
    "/accounts/passkeys/sign-in/": ((302, 302), alike(302, 302)),
    "/accounts/sso-cancelled/": ((200, 405), alike(200, 405)),
    "/accounts/sso-failed/": ((401, 405), alike(401, 405)),
    "/accounts/sso/<str:provider_id>/": ((405, 404), alike(405, 404)),
    "/accounts/sso/<str:provider_id>/back/": ((404, 404), alike(404, 404)),
    "/invitations/<str:secret>/": ((200, 400), alike(200, 409)),
}
"""What is there before signing in: what a stranger gets, and what a signed-in operator gets.

The provider of single sign-on is not configured here; an invitation is for somebody else.
"""
