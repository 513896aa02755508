"""What can be done to many agents at once."""

from agents import services
from agents.models import Agent
from ibex.selection import BulkAction, each
from orgs.permissions import Permission

PAUSE: BulkAction[Agent] = BulkAction(
    name="pause",
    verb="Pause",
    noun="agent",
    nouns="agents",
    done="Paused",
    needs=Permission.AGENT_WRITE,
    act=each(services.pause_agent, "agent"),
    consequence="Their requests are refused until they are activated again.",
    icon="player-pause",
)
ACTIVATE: BulkAction[Agent] = BulkAction(
    name="activate",
    verb="Activate",
    noun="agent",
    nouns="agents",
    done="Activated",
    needs=Permission.AGENT_WRITE,
    act=each(services.activate_agent, "agent"),
    consequence="Their requests are served again.",
    icon="player-play",
)
ACTIONS = {action.name: action for action in (PAUSE, ACTIVATE)}
