"""The control channel: proxies learn of every change that concerns them, at once and in order."""
