"""Rate limits: one script, atomic over the agent, org and global tiers, a minute at a time.

Redis away means 503: without limits nothing is let through.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from proxy.errors import ProxyError

WINDOW_S = 60

# KEYS: one counter per tier. ARGV: the limit of each, 0 for none.
# Answer: {1 or 0, the limit that is nearest, how much of it is left}.
SCRIPT = """
local nearest, limit_of_nearest = nil, 0
for i, key in ipairs(KEYS) do
  local limit = tonumber(ARGV[i])
  if limit > 0 then
    local left = limit - tonumber(redis.call('GET', key) or '0')
    if left <= 0 then return {0, limit, 0} end
    if nearest == nil or left - 1 < nearest then
      nearest, limit_of_nearest = left - 1, limit
    end
  end
end
for i, key in ipairs(KEYS) do
  if tonumber(ARGV[i]) > 0 then
    redis.call('INCR', key)
    redis.call('EXPIRE', key, 120)
  end
end
return {1, limit_of_nearest, nearest or 0}
"""


@dataclass(frozen=True)
class Verdict:
    """What the limits said: the nearest tier's limit, what is left of it, seconds to its reset."""

    admitted: bool
    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the `X-RateLimit-*` headers."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset_s),
        }

    def check(self) -> None:
        """Raise RATE_LIMITED (429) unless admitted."""
        if not self.admitted:
            message = f"More than {self.limit} requests in a minute; try again later."
            headers = {**self.headers(), "retry-after": str(self.reset_s)}
            raise ProxyError(429, "RATE_LIMITED", message, headers=headers)


def counters(org_id: UUID, agent_id: UUID, now: float | None = None) -> list[str]:
    """Return the keys of the three tiers for the current minute."""
    minute = int((now or time.time()) // WINDOW_S)
    return [
        f"{org_id}:rate:agent:{agent_id}:{minute}",
        f"{org_id}:rate:org:{minute}",
        f"global:rate:{minute}",
    ]


def verdict(answer: list[int]) -> Verdict:
    """Read the script's answer."""
    reset = WINDOW_S - int(time.time()) % WINDOW_S
    return Verdict(bool(answer[0]), int(answer[1]), int(answer[2]), reset)
