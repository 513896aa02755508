"""How a memory is written: draft, neighbours, conflict, change, version. `services` is the door."""
