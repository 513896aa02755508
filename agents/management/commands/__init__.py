"""Management commands of `agents`."""
