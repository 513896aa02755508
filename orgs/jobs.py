"""Background work about organizations as a whole: the demo's is made and removed by jobs."""

from ibex.demo.working import fill, remove

__all__ = ["fill", "remove"]
