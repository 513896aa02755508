"""Context assembly: from a message to the block of memories that goes into its prompt."""
