"""The project package: what every process of IBEX shares."""
