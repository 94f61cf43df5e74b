"""What a measured run counts: latencies, and what was done in each stretch of it.

Latencies are held as counts by microsecond, rounded down to 14 significant bits (0.01 %): a run of any length takes the
same small room, and the runs of several processes add up exactly. Percentiles are those of Kafka's tool: the element at
index `int(share * count)` of the sorted latencies, in whole milliseconds.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

SHARES = (0.5, 0.95, 0.99, 0.999)
KEPT_BITS = 14
MB = 1 << 20


class Chunk(NamedTuple):
    """Records that were handed over at one moment: the mark that their batches carry until they are answered."""

    sent_ms: float
    first: int  # index of the first record in the run
    sizes: int | Sequence[int]  # of the values: all alike, or one by one

    def bytes(self, skipped: int, count: int) -> int:
        if isinstance(self.sizes, int):
            return self.sizes * count
        return sum(self.sizes[skipped : skipped + count])


class Latencies:
    """A histogram. `counts` maps a latency in us to the number of records that took so long."""

    def __init__(self, counts: Iterable[tuple[int, int]] = (), total_us: int | None = None, max_us: int = 0) -> None:
        self.counts = dict(counts)
        self.records = sum(self.counts.values())
        self.total_us = sum(us * count for us, count in self.counts.items()) if total_us is None else total_us
        self.max_us = max_us or max(self.counts, default=0)

    def add(self, latency_ms: float, count: int) -> None:
        us = max(int(latency_ms * 1000), 0)
        self.total_us += us * count
        self.records += count
        if us > self.max_us:
            self.max_us = us
        spare = us.bit_length() - KEPT_BITS
        if spare > 0:
            us = us >> spare << spare
        self.counts[us] = self.counts.get(us, 0) + count

    def join(self, other: "Latencies") -> None:
        for us, count in other.counts.items():
            self.counts[us] = self.counts.get(us, 0) + count
        self.records += other.records
        self.total_us += other.total_us
        self.max_us = max(self.max_us, other.max_us)

    @property
    def average_ms(self) -> float:
        """NaN when there are none."""
        return self.total_us / self.records / 1000 if self.records else float("nan")

    @property
    def max_ms(self) -> float:
        return float(self.max_us // 1000)

    def percentiles(self, shares: Sequence[float] = SHARES) -> list[float]:
        """The latencies in ms at these rising shares; 0 when there are none."""
        found: list[float] = []
        seen, wanted = 0, [int(share * self.records) for share in shares]
        for us in sorted(self.counts):
            seen += self.counts[us]
            while len(found) < len(wanted) and wanted[len(found)] < seen:
                found.append(us / 1000)
        return found + [0.0] * (len(wanted) - len(found))


class Window(NamedTuple):
    """What was acknowledged in a stretch of a run, which began `start_ms` after its start."""

    start_ms: float
    elapsed_ms: float
    records: int
    bytes: int
    total_ms: float
    max_ms: float

    @property
    def average_ms(self) -> float:
        return self.total_ms / self.records if self.records else float("nan")

    def plus(self, other: Self) -> "Window":
        """Both together, of the same stretch."""
        return Window(
            min(self.start_ms, other.start_ms),
            max(self.elapsed_ms, other.elapsed_ms),
            self.records + other.records,
            self.bytes + other.bytes,
            self.total_ms + other.total_ms,
            max(self.max_ms, other.max_ms),
        )


class Stats:
    """The acknowledged records of a run that begins at `start_ms`, window by window."""

    def __init__(self, start_ms: float, interval_ms: float) -> None:
        self.start_ms, self._interval_ms = start_ms, interval_ms
        self.latencies = Latencies()
        self.bytes = 0
        self.windows: list[Window] = []
        self._begin(start_ms)

    def _begin(self, now_ms: float) -> None:
        self._since, self._records, self._bytes, self._total, self._max = now_ms, 0, 0, 0.0, 0.0

    def add(self, latency_ms: float, count: int, size: int) -> None:
        self.latencies.add(latency_ms, count)
        self.bytes += size
        self._records += count
        self._bytes += size
        self._total += latency_ms * count
        if latency_ms > self._max:
            self._max = latency_ms

    def turned(self, now_ms: float) -> Window | None:
        """The window that is over by now, if it is."""
        return self.close(now_ms) if now_ms - self._since >= self._interval_ms else None

    def close(self, now_ms: float) -> Window:
        """End the window."""
        ended = Window(
            self._since - self.start_ms, now_ms - self._since, self._records, self._bytes, self._total, self._max
        )
        self.windows.append(ended)
        self._begin(now_ms)
        return ended


def per_second(amount: float, elapsed_ms: float) -> float:
    """Java's division: no time at all gives infinity, or NaN for nothing."""
    if elapsed_ms:
        return 1000 * amount / elapsed_ms
    return float("inf") if amount else float("nan")
