"""LogView: what the core knows of the metadata log, without reading it.

The core is told of every append, truncation and snapshot, so it can answer where an epoch ends, and where another log
leaves this one, from a few numbers.
"""

from collections.abc import Iterable, Sequence

from server.model.ids import RaftEpoch
from server.raft.rpc import FetchedBatch, OffsetAndEpoch


class LogView:
    """The extent of one log.

    start_offset   first offset kept: 0, or the end of a snapshot
    end_offset     offset of the next record
    flushed        below it everything is on disk
    epochs         (epoch, its first offset in this log), ascending
    snapshots      by their ends, ascending; where start_offset > 0, one of them ends there
    high_watermark below it everything is committed, as far as this node knows
    """

    def __init__(
        self,
        *,
        start_offset: int = 0,
        end_offset: int = 0,
        epochs: Iterable[tuple[RaftEpoch, int]] = (),
        snapshots: Iterable[OffsetAndEpoch] = (),
    ) -> None:
        self.start_offset, self.end_offset, self.flushed = start_offset, end_offset, end_offset
        self.epochs = list(epochs)
        self.snapshots = sorted(snapshots)
        self.high_watermark = self.snapshots[-1].offset if self.snapshots else 0
        assert start_offset <= end_offset
        assert start_offset == 0 or any(snapshot.offset == start_offset for snapshot in self.snapshots)

    @property
    def last(self) -> OffsetAndEpoch:
        """The end, and the epoch of the last record: what votes compare."""
        return OffsetAndEpoch(self.end_offset, self.epochs[-1][0] if self.epochs else self._epoch_before_start)

    @property
    def latest_snapshot(self) -> OffsetAndEpoch | None:
        return self.snapshots[-1] if self.snapshots else None

    @property
    def _epoch_before_start(self) -> RaftEpoch:
        """The epoch of the record before start_offset; 0 where there is none."""
        for snapshot in self.snapshots:
            if snapshot.offset == self.start_offset:
                return snapshot.epoch
        return RaftEpoch(0)

    def end_of(self, epoch: RaftEpoch) -> OffsetAndEpoch:
        """The last epoch up to `epoch` that this log holds, and the offset where it ends."""
        end = self.end_offset
        for known, first in reversed(self.epochs):
            if known <= epoch:
                return OffsetAndEpoch(end, known)
            end = first
        return OffsetAndEpoch(end, self._epoch_before_start)

    def holds(self, place: OffsetAndEpoch) -> bool:
        """True if a log that ends at `place` is a prefix of this one."""
        end = self.end_of(place.epoch)
        return end.epoch == place.epoch and self.start_offset <= place.offset <= end.offset

    def is_cut_before(self, place: OffsetAndEpoch) -> bool:
        """True if this log starts too late to tell whether it holds `place`: a snapshot must fill the gap."""
        if self.start_offset == 0:
            return False
        before = self._epoch_before_start
        at_start = place.offset == self.start_offset and place.epoch != before
        return place.offset < self.start_offset or place.epoch < before or at_start

    def truncation_point(self, leader_end: OffsetAndEpoch) -> int:
        """Where a follower must cut, when the leader's last epoch in common ends at `leader_end`."""
        own = self.end_of(leader_end.epoch)
        return min(own.offset, leader_end.offset) if own.epoch == leader_end.epoch else own.offset

    def led(self, end_offset: int, epoch: RaftEpoch) -> None:
        """The leader of `epoch` appended up to `end_offset`."""
        assert end_offset >= self.end_offset
        if end_offset > self.end_offset:
            self._extend(epoch, self.end_offset)
            self.end_offset = end_offset

    def followed(self, batches: Sequence[FetchedBatch]) -> None:
        """Batches of a leader were appended."""
        for batch in batches:
            assert batch.base_offset == self.end_offset
            self._extend(batch.epoch, batch.base_offset)
            self.end_offset = batch.end_offset

    def truncate_to(self, end_offset: int) -> None:
        assert self.high_watermark <= end_offset <= self.end_offset, "committed records are never truncated"
        self.end_offset, self.flushed = end_offset, min(self.flushed, end_offset)
        self.epochs = [(epoch, first) for epoch, first in self.epochs if first < end_offset]

    def start_at(self, snapshot: OffsetAndEpoch) -> None:
        """Everything was replaced by a snapshot."""
        self.start_offset = self.end_offset = self.flushed = snapshot.offset
        self.epochs = []
        self.snapshots = [snapshot]
        self.high_watermark = max(self.high_watermark, snapshot.offset)

    def snapshot_taken(self, snapshot: OffsetAndEpoch) -> None:
        assert self.start_offset < snapshot.offset <= self.high_watermark
        self.snapshots = sorted({*self.snapshots, snapshot})

    def start_moved(self, offset: int) -> None:
        """Records and snapshots before `offset`, the end of a snapshot, were deleted."""
        assert self.start_offset <= offset <= self.high_watermark
        self.snapshots = [snapshot for snapshot in self.snapshots if snapshot.offset >= offset]
        assert self.snapshots[0].offset == offset, "a log starts where a snapshot ends"
        ends = [first for _, first in self.epochs[1:]] + [self.end_offset]
        self.epochs = [
            (e, max(first, offset)) for (e, first), end in zip(self.epochs, ends, strict=True) if end > offset
        ]
        self.start_offset = offset

    def _extend(self, epoch: RaftEpoch, first: int) -> None:
        last = self.last.epoch
        assert epoch >= last, "epochs never fall along a log"
        if not self.epochs or epoch > last:
            self.epochs.append((epoch, first))
