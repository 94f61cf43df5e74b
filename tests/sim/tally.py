"""How much happened in worlds: an idle one must not pass for a good one."""

from dataclasses import dataclass, fields


@dataclass
class Tally:
    """worlds    how many; all others are sums over them. acknowledged: records, and admin operations of quorums
    faults    what befalls a world beside deaths: cut links, broken and slow disks, lost and repeated messages
    """

    worlds: int = 1
    acknowledged: int = 0
    read: int = 0
    kills: int = 0
    power_cuts: int = 0
    elections: int = 0
    faults: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, f.name):,} {f.name.replace('_', ' ')}" for f in fields(Tally))
