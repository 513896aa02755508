"""The console's pages of memories: the browser, one memory, and what waits for review."""
