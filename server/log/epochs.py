"""Leader epochs of a log: at which offset each one began. They say where two replicas' logs part.

The file is written at rolls, flushes and clean stops, not at each new epoch: what is younger than the recovery point
is read from the batches' own headers after a crash.
Source: KIP-101, KIP-279.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

UNDEFINED = (-1, -1)


class EpochCache:
    """Epochs and their first offsets, both strictly growing."""

    __slots__ = ("_epochs", "_leo", "_starts", "dirty")

    def __init__(self, leo: Callable[[], int], entries: Iterable[tuple[int, int]] = ()) -> None:
        self._leo = leo
        self._epochs: list[int] = []
        self._starts: list[int] = []
        for epoch, start in entries:
            self.assign(epoch, start)
        self.dirty = False  # whether the file lags behind

    def follow(self, leo: Callable[[], int]) -> None:
        """Take the log's end from `leo` from now on."""
        self._leo = leo

    @property
    def latest(self) -> int | None:
        return self._epochs[-1] if self._epochs else None

    @property
    def entries(self) -> list[tuple[int, int]]:
        """(epoch, first offset), oldest first."""
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, epoch: int, start: int) -> None:
        """Note that `epoch` begins at offset `start`. A known one keeps its start; what contradicts it goes."""
        if epoch < 0 or (self._epochs and self._epochs[-1] == epoch and self._starts[-1] <= start):
            return
        at = min(bisect_left(self._epochs, epoch), bisect_left(self._starts, start))
        del self._epochs[at:]
        del self._starts[at:]
        self._epochs.append(epoch)
        self._starts.append(start)
        self.dirty = True

    def end_offset_for(self, epoch: int) -> tuple[int, int]:
        """Where the largest known epoch <= `epoch` ends: (that epoch, exclusive end offset).

        The latest epoch ends at the LEO. Before the first known epoch: (epoch, its start). UNDEFINED for an epoch that
        this log has not reached, and for -1.
        """
        if epoch < 0 or not self._epochs or epoch > self._epochs[-1]:
            return UNDEFINED
        if epoch == self._epochs[-1]:
            return epoch, self._leo()
        at = bisect_right(self._epochs, epoch)
        return self._epochs[at - 1] if at else epoch, self._starts[at]

    def epoch_of(self, offset: int) -> int | None:
        """The leader epoch in which the record at `offset` was written; None before the first known one."""
        at = bisect_right(self._starts, offset)
        return self._epochs[at - 1] if at else None

    def truncate_end(self, offset: int) -> None:
        """Forget the epochs that begin at `offset` or behind it."""
        keep = bisect_left(self._starts, offset)
        if keep < len(self._starts):
            del self._epochs[keep:]
            del self._starts[keep:]
            self.dirty = True

    def truncate_start(self, offset: int) -> None:
        """Forget the epochs that end at `offset` or before it; the oldest one left begins there at the earliest."""
        first = bisect_right(self._starts, offset) - 1
        if first < 0 or (first == 0 and self._starts[0] == offset):
            return
        del self._epochs[:first]
        del self._starts[:first]
        self._starts[0] = offset
        self.dirty = True

    def clear(self) -> None:
        self.dirty = self.dirty or bool(self._epochs)
        self._epochs.clear()
        self._starts.clear()
