"""Which organization is the demo's, for who needs to know nothing else of it."""

from uuid import UUID

DEMO_ORG_ID = UUID("00000000-0000-0000-0000-00000000de30")
