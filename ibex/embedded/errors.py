"""What can go wrong around the bundled stores: each error is one sentence for the operator."""


class EmbeddedError(Exception):
    """Something the operator can put right; the command prints its sentence and ends with 1."""


class StoreError(EmbeddedError):
    """A bundled store did not come up, or left its folder in a state we will not touch."""


class FolderError(EmbeddedError):
    """A folder that should be private to one account is not."""
