"""Postgres and Redis from the installed packages, and the supervisor of a development stack."""
