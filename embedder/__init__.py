"""The embedding service: text in, unit vectors out (ADR 0033)."""
