"""FutureReplica: the copy of a partition's log in another directory, a step at a time.

It follows the partition's log as a follower follows its leader: with the same core, so that it is cut where the log was
cut, and begins again where the log begins.
Source: KIP-113.
"""

from typing import assert_never

from server.broker.partition import Partition
from server.log.log import Log
from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch
from server.ports import Clock
from server.replication.follower import (
    Append,
    BackOff,
    Effect,
    Locate,
    LogStartAdvanced,
    PartitionFollower,
    Position,
    StartAt,
    Truncate,
)
from server.replication.leader import HwAdvanced
from server.wire.messages.fetch import EpochEndOffset, PartitionData

ANY_EPOCH = LeaderEpoch(0)  # the one that leads it is its own node
FLUSH_BYTES = 8 << 20  # so that no sync of a whole segment keeps the node from serving


class FutureReplica:
    """caught_up: the last step found nothing to copy, and the copy is whole."""

    def __init__(self, partition: Partition, log: Log, clock: Clock) -> None:
        self.partition, self.log, self._clock = partition, log, clock
        self._core = PartitionFollower(ANY_EPOCH, log, min(log.hw, log.leo))
        self._unflushed = 0
        self.caught_up = False

    @property
    def lag(self) -> int:
        return self.partition.log.leo - self.log.leo

    def step(self, most: int) -> int:
        """Copy about `most` bytes, a batch at least; how many they were. Raises StorageFailed, Rejected."""
        asked = self._core.position
        row = self._row(asked, most)
        effects = self._core.answered(asked, row)
        self.caught_up = not effects and not row.error_code and not self.lag and row.diverging_epoch.end_offset < 0
        self._obey(effects)
        size = len(row.records or b"")
        self._unflushed += size
        if self._unflushed >= FLUSH_BYTES:
            self._unflushed = 0
            self.log.flush()
        return size

    def _row(self, asked: Position, most: int) -> PartitionData:
        """What the log answers to a fetch from `asked`."""
        log = self.partition.log
        row = PartitionData(self.partition.index, aborted_transactions=None, records=b"")
        row.high_watermark, row.log_start_offset = self.partition.hw, log.log_start_offset
        if asked.last_fetched_epoch >= 0:
            epoch, end = log.epochs.end_offset_for(asked.last_fetched_epoch)
            if epoch < 0:
                row.error_code = ErrorCode.OFFSET_OUT_OF_RANGE
                return row
            if epoch < asked.last_fetched_epoch or end < asked.offset:
                row.diverging_epoch = EpochEndOffset(epoch, end)
                return row
        if not log.log_start_offset <= asked.offset <= log.leo:
            row.error_code = ErrorCode.OFFSET_OUT_OF_RANGE
            return row
        row.records = log.read(asked.offset, most, log.leo).data
        return row

    def _obey(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Append(records):
                    self.log.append_as_follower(records, self._clock.timestamp_ms())
                    self._obey(self._core.appended())
                case HwAdvanced(hw):
                    self.log.hw = hw
                case LogStartAdvanced(offset):
                    self.log.advance_log_start(offset)
                case Truncate(offset):
                    self.log.truncate_to(offset)
                    self._core.truncated()
                case StartAt(offset):
                    self._start_at(offset)
                case Locate():
                    log, asked = self.partition.log, self._core.position
                    self._obey(self._core.located(asked, log.log_start_offset, log.leo))
                case BackOff():
                    self._start_at(self.partition.log.log_start_offset)  # it can be made again, and needs no search
                case _:
                    assert_never(effect)

    def _start_at(self, offset: int) -> None:
        self.log.truncate_fully_and_start_at(offset, self._clock.timestamp_ms())
        self._core.truncated()
