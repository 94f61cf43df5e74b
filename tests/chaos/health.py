"""What a process must not show: errors in its log, and more files or memory than its work needs (I12)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.history import Anomaly

MORE_DESCRIPTORS, MORE_RSS_MB = 200, 150
SIGNS = ("Traceback (most recent call last)", " ERROR ", " CRITICAL ", "never retrieved", "was never awaited")


@dataclass(frozen=True)
class Health:
    descriptors: int
    rss_mb: int

    @staticmethod
    def of(pid: int) -> "Health":
        status = Path(f"/proc/{pid}/status").read_text()
        rss = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")), "0")
        return Health(len(os.listdir(f"/proc/{pid}/fd")), int(rss) // 1024)


def grown(before: Mapping[int, Health], after: Mapping[int, Health]) -> list[Anomaly]:
    """The nodes that hold far more than when they were young."""
    return [
        Anomaly("not-given-back", f"node {node}", f"{before[node]} became {now}")
        for node, now in after.items()
        if now.descriptors > before[node].descriptors + MORE_DESCRIPTORS
        or now.rss_mb > before[node].rss_mb + MORE_RSS_MB
    ]


def complaints(log: str) -> list[str]:
    """The lines of a server's log that tell of a bug, each with what follows it."""
    lines = log.splitlines()
    return ["\n".join(lines[at : at + 25]) for at, line in enumerate(lines) if any(sign in line for sign in SIGNS)]
