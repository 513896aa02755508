"""What can be done to many sessions at once."""

from functools import partial

from ibex.selection import BulkAction, each
from orgs.permissions import Permission
from sessions import services
from sessions.models import Session

TERMINATE: BulkAction[Session] = BulkAction(
    name="terminate",
    verb="Terminate",
    noun="session",
    nouns="sessions",
    done="Terminated",
    needs=Permission.SESSION_TERMINATE,
    act=each(partial(services.complete_session, how="completed"), "session"),
    consequence=(
        "Their turns stay; what was not learned yet is learned, and archives are written. "
        "A later request of the same conversation opens it again."
    ),
    icon="x",
    is_danger=True,
)
ACTIONS = {action.name: action for action in (TERMINATE,)}
