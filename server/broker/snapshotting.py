"""Snapshotting: when an image is written beside the metadata log, and when old ones and the log below them go.

A snapshot is due when the records since the last one make so many bytes, or when the last one is so old and something
was applied since. Two snapshots are kept at least, so that whoever reads the older one can finish.

Source: KIP-630.
"""

from dataclasses import dataclass

from server.broker.snapshots import Snapshot, SnapshotId, Snapshots
from server.metadata import snapshot
from server.metadata.image import Image
from server.ports import Buffer
from server.raft.voters import VoterHistory
from server.records.control import Control, KRaftVersion

KEPT_SNAPSHOTS = 2


@dataclass(frozen=True, slots=True)
class SnapshotLimits:
    """metadata.log.max.record.bytes.between.snapshots, metadata.log.max.snapshot.interval.ms (0: never by age),
    metadata.max.retention.bytes and .ms (-1: without limit)."""

    bytes_between: int
    interval_ms: int
    retention_bytes: int
    retention_ms: int


class Snapshotting:
    def __init__(self, snapshots: Snapshots, limits: SnapshotLimits) -> None:
        self._snapshots, self._limits = snapshots, limits
        self._bytes = 0  # applied since the last snapshot
        self._since_ms: int | None = None  # when the first of them was seen

    def applied(self, size: int) -> None:
        self._bytes += size

    def take(self, image: Image, history: VoterHistory, now_ms: int, timestamp_ms: int) -> SnapshotId | None:
        """Write a snapshot of the committed image if one is due. Raises OSError."""
        if self._since_ms is None and self._bytes:
            self._since_ms = now_ms
        if not self._due(now_ms) or image.offset < 0:
            return None
        id_ = SnapshotId(image.offset + 1, image.epoch)
        self._snapshots.write(
            id_,
            snapshot.records(image),
            _controls(history, id_.end_offset),
            image.metadata_version,
            last_timestamp_ms=image.timestamp_ms,
            now_ms=timestamp_ms,
        )
        self._bytes, self._since_ms = 0, None
        return id_

    def store(self, id_: SnapshotId, position: int, data: Buffer) -> None:
        """Keep a piece of a snapshot that is fetched from the leader. Raises OSError."""
        self._snapshots.write_piece(id_, position, data)

    def piece(self, id_: SnapshotId, position: int, max_bytes: int) -> tuple[int, bytes]:
        """A snapshot's size, and what it holds from `position` on. Raises OSError."""
        return self._snapshots.read_piece(id_, position, max_bytes)

    def finish(self, id_: SnapshotId) -> Snapshot:
        """Make a fetched snapshot this node's latest, durably, and read it. Raises OSError; Torn: it is not whole."""
        taken = self._snapshots.finish(id_)
        self._bytes, self._since_ms = 0, None
        return taken

    def _due(self, now_ms: int) -> bool:
        limits = self._limits
        if self._bytes >= limits.bytes_between:
            return True
        aged = self._since_ms is not None and now_ms - self._since_ms >= limits.interval_ms
        return aged and limits.interval_ms > 0

    def expire(self, log_bytes: int, timestamp_ms: int) -> int | None:
        """Remove snapshots that are too many or too old; the offset below which the log is not needed, if any went."""
        ids = [id_ for id_ in self._snapshots.ids() if id_.end_offset > 0]
        total = log_bytes + sum(map(self._snapshots.size, ids))
        start = None
        while len(ids) > KEPT_SNAPSHOTS and (self._too_big(total) or self._too_old(ids[0], timestamp_ms)):
            oldest = ids.pop(0)
            total -= self._snapshots.size(oldest)
            self._snapshots.remove(oldest)
            start = ids[0].end_offset
        return start

    def _too_big(self, total_bytes: int) -> bool:
        return 0 <= self._limits.retention_bytes < total_bytes

    def _too_old(self, id_: SnapshotId, timestamp_ms: int) -> bool:
        age_ms = timestamp_ms - self._snapshots.modified_ms(id_)
        return 0 <= self._limits.retention_ms < age_ms


def _controls(history: VoterHistory, end_offset: int) -> list[Control]:
    """What a snapshot says of the voters: nothing while they are configured."""
    version, voters = history.at(end_offset)
    if version == 0 or voters is None:
        return []
    return [KRaftVersion(version), voters.record()]
