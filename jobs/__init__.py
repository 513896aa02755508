"""Background work that people wait for: queued, seen, cancelled, tried again."""
