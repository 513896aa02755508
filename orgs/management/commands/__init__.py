"""Management commands of `orgs`."""
