"""The store registry: where anything about a person or an org is kept."""
