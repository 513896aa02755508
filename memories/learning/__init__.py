"""From recorded sessions to memories: turns read, cut into passages, learned from, set aside."""
