"""The follower's view of one partition: where to fetch from, what to cut off, how much is committed.

Pure: answers of the leader come in, what to do with the log goes out. The shell does the effects in order and tells
what came of them: `appended` after an Append, `truncated` after a Truncate or a StartAt.

A fetch says how long the log is and in which leader epoch its last record was written. A leader whose log parted from
ours answers with the epoch and the end of what it has up to there, and nothing else: the log is cut where both may
still agree, and the next fetch asks again, as often as it takes. The high watermark plays no part in that: records
above it may be committed already, records below it were never in doubt but after an unclean election. Nothing that an
answer says of the high watermark counts before the log agrees.

A follower that is out of the leader's range asks where the leader's log begins and ends, and starts again there. All
other errors pass: it backs off, and the metadata says more in time.

Source: KIP-101, KIP-279 (epochs), KIP-595 (diverging epochs in Fetch), KIP-320 (fencing), KIP-107 (log start).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch
from server.ports import Buffer
from server.replication.leader import HwAdvanced
from server.wire.messages.fetch import PartitionData

NO_EPOCH = -1


class Epochs(Protocol):
    """server/log/epochs.py, as far as a follower reads it."""

    @property
    def latest(self) -> int | None: ...

    @property
    def entries(self) -> list[tuple[int, int]]: ...

    def end_offset_for(self, epoch: int) -> tuple[int, int]: ...


class ReplicaLog(Protocol):
    """What the core reads of the log; the shell writes it."""

    @property
    def leo(self) -> int: ...

    @property
    def log_start_offset(self) -> int: ...

    @property
    def epochs(self) -> Epochs: ...


class Position(NamedTuple):
    """What a fetch asks for. An answer to any other than the present one is stale, and changes nothing."""

    leader_epoch: int
    offset: int
    last_fetched_epoch: int


@dataclass(frozen=True, slots=True)
class Append:
    """Append these batches as they are."""

    records: Buffer


@dataclass(frozen=True, slots=True)
class Truncate:
    """Drop every batch that holds `offset` or follows it."""

    offset: int


@dataclass(frozen=True, slots=True)
class StartAt:
    """Drop everything; the log goes on at `offset`."""

    offset: int


@dataclass(frozen=True, slots=True)
class LogStartAdvanced:
    """The leader dropped what lies before `offset`."""

    offset: int


@dataclass(frozen=True, slots=True)
class Locate:
    """Ask the leader where its log begins and ends; the answer comes back through `located`."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Ask nothing for a while."""


Effect = Append | Truncate | StartAt | HwAdvanced | LogStartAdvanced | Locate | BackOff


class PartitionFollower:
    """One partition, followed in `epoch`. The log's last epoch must be that of its last record."""

    def __init__(self, epoch: LeaderEpoch, log: ReplicaLog, hw: int) -> None:
        assert hw <= log.leo
        self.epoch, self.hw, self._log = epoch, hw, log
        self._told = (hw, log.log_start_offset)  # high watermark and log start that came with what is being appended

    @property
    def position(self) -> Position:
        latest = self._log.epochs.latest
        return Position(self.epoch, self._log.leo, NO_EPOCH if latest is None else latest)

    def answered(self, asked: Position, row: PartitionData) -> tuple[Effect, ...]:
        """The leader answered a fetch from `asked`."""
        if asked != self.position:
            return ()
        if row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            return (Locate(),)
        if row.error_code:
            return (BackOff(),)
        diverging = row.diverging_epoch
        if diverging.end_offset >= 0:
            return self._diverged(diverging.epoch, diverging.end_offset)
        if row.records:
            assert not isinstance(row.records, list)
            self._told = (row.high_watermark, row.log_start_offset)
            return (Append(row.records),)
        return self._follow(row.high_watermark, row.log_start_offset)

    def appended(self) -> tuple[Effect, ...]:
        """The records of the last answer are in the log."""
        return self._follow(*self._told)

    def truncated(self) -> None:
        self.hw = min(self.hw, self._log.leo)

    def located(self, asked: Position, log_start_offset: int, end_offset: int) -> tuple[Effect, ...]:
        """The leader's log is [log_start_offset, end_offset): asked when `asked` was out of its range."""
        if asked != self.position:
            return ()
        if end_offset < asked.offset:
            return (Truncate(end_offset),)
        if log_start_offset > asked.offset:
            return (StartAt(log_start_offset),)
        # Within range, and refused: the leader has never heard of the epoch that our log ends with.
        entries = self._log.epochs.entries
        return (Truncate(entries[-1][1]),) if entries else (BackOff(),)

    def _diverged(self, epoch: int, end: int) -> tuple[Effect, ...]:
        """The leader's records up to `epoch` end at `end`; it has none of our last epoch, or fewer than we."""
        ours, our_end = self._log.epochs.end_offset_for(epoch)
        target = end if ours < 0 else min(end, our_end)
        # An answer that cuts nothing off would come again and again.
        return (Truncate(target),) if target < self._log.leo else (BackOff(),)

    def _follow(self, hw: int, log_start_offset: int) -> tuple[Effect, ...]:
        effects: tuple[Effect, ...] = ()
        hw = min(hw, self._log.leo)
        if hw > self.hw:
            self.hw = hw
            effects = (HwAdvanced(hw),)
        start = min(log_start_offset, self._log.leo)
        if start > self._log.log_start_offset:
            self.hw = max(self.hw, start)
            effects += (LogStartAdvanced(start),)
        return effects
