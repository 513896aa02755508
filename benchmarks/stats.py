"""Percentiles of real samples, and the machine they were taken on."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PERCENTILES = (50, 90, 95, 99)


def summary(samples_ms: Sequence[float]) -> dict[str, float | int]:
    """Return count, percentiles and maximum of samples in milliseconds; nearest rank."""
    ordered = sorted(samples_ms)
    if not ordered:
        return {"count": 0}
    picked = {f"p{p}_ms": round(_rank(ordered, p), 3) for p in PERCENTILES}
    return {"count": len(ordered), **picked, "max_ms": round(ordered[-1], 3)}


def _rank(ordered: Sequence[float], percentile: int) -> float:
    position = max(0, -(-percentile * len(ordered) // 100) - 1)
    return ordered[position]


def machine() -> dict[str, Any]:
    """Say where a figure was taken; load is the 1-minute average before the run."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "taken_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def cpu_seconds(pid: int) -> float:
    """Return the user and system CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
