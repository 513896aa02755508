"""One URLconf per role (ADR 0002)."""
