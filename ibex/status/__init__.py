"""How IBEX is doing, for the operators of an organization: what answers, and what waits."""
