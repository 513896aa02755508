"""Commands of `identity`."""
