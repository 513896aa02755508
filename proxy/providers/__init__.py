"""Where answers come from (ADR 0025)."""
