"""Compaction: of every key, a log with cleanup.policy=compact keeps the latest record.

A round reads the dirty part of the log (what no round has covered) and notes where each key stands last; then it
rewrites the segments from the log start on, dropping what is superseded. Values of null are tombstones: kept until
delete.retention.ms after they were first seen by a round, so that every reader learns of the deletion; so are
transaction markers. Batches keep their base and last offsets, and the last batch of each active producer stays, even
without records, because its sequence number is still needed.

A round is made of small steps, for the loop must not wait. It works on segments that no longer change, and puts each
rewritten one in place by a rename that a crash leaves either undone or decided:
`.log.cleaned` -> synced -> `.log.swap` (decided; recovery.py would finish it) -> old files away -> indexes -> `.log`.
Source: KIP-58 (lag), KIP-98 (transactions), KIP-354 (largest lag), KIP-534 (delete horizon).
"""

from collections.abc import Generator, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from server.log import names, scan
from server.log.cleaned_txns import CleanedTxns
from server.log.producer_snapshot import Row
from server.log.segment import Segment
from server.log.txn_index import AbortedTxn
from server.model.errors import Rejected
from server.records import batch, build
from server.records.batch import NO_TIMESTAMP, Header, Record

if TYPE_CHECKING:
    from server.log.log import Log

MAX_KEYS = 500_000  # of one round, some 100 MB
WHOLE_KEY_BYTES = 32  # a longer key is known by its hash
Steps = Generator[int, None, None]  # each step yields the bytes that it went through


def dirty_from(log: "Log", cleaned_to: int) -> int:
    """Where the dirty part begins, given where the last round ended."""
    start = log.log_start_offset
    return cleaned_to if start <= cleaned_to <= log.segments.active.base else start


def clean_up_to(log: "Log", timestamp_ms: int) -> int:
    """The end of what may be cleaned: closed segments that are durable, stable and old enough."""
    end = min(log.segments.active.base, log.lso(log.hw), log.recovery_point)
    lag_ms = log.settings.min_compaction_lag_ms
    if lag_ms > 0:
        for segment in log.segments:
            if segment.base < end and timestamp_ms - segment.max_timestamp[0] < lag_ms:
                end = segment.base
    return end


def dirtiness(log: "Log", cleaned_to: int, timestamp_ms: int) -> float:
    """The share of dirty bytes, if that is enough for a round (or the oldest have waited too long); else 0."""
    if "compact" not in log.settings.cleanup_policy or log.failed:
        return 0.0
    start, end = dirty_from(log, cleaned_to), clean_up_to(log, timestamp_ms)
    if start >= end:
        return 0.0
    clean = dirty = 0
    oldest = timestamp_ms
    for segment in log.segments:
        if segment.base >= end:
            break
        if segment.base >= start:
            dirty += segment.size
            if segment.size and segment.first_timestamp != NO_TIMESTAMP:
                oldest = min(oldest, segment.first_timestamp)
        else:
            clean += segment.size
    ratio = dirty / (clean + dirty) if dirty else 0.0
    overdue = timestamp_ms - oldest > log.settings.max_compaction_lag_ms
    return ratio if ratio > log.settings.min_cleanable_dirty_ratio or (overdue and ratio) else 0.0


class Compaction:
    """One round over one log. `step` until it says False; then `cleaned_to` is where the next one begins."""

    def __init__(self, log: "Log", cleaned_to: int, timestamp_ms: int) -> None:
        self.log = log
        self.cleaned_to = cleaned_to
        self._now = timestamp_ms
        self._latest: dict[bytes, int] = {}
        self._sizes: dict[Segment, int] = {}
        self._start = self._end = 0
        self._producers: dict[int, Row] = {}
        self._steps = self._run()

    def step(self, budget_bytes: int) -> bool:
        """Go through about so many bytes; False: done, or given up because the log was changed underneath.

        Raises StorageFailed, OSError, Rejected(CORRUPT_MESSAGE).
        """
        while budget_bytes > 0:
            try:
                went = next(self._steps, None)
            except (OSError, Rejected):
                if self._undisturbed():
                    raise
                return False  # a truncation took the file away
            if went is None:
                return False
            budget_bytes -= went
        return True

    def _undisturbed(self) -> bool:
        """Whether all segments are still what they were: a record that was truncated supersedes nothing."""
        here = set(self.log.segments)
        return not self.log.failed and all(
            segment in here and segment.size == size for segment, size in self._sizes.items()
        )

    def stop(self) -> None:
        """Give up, and leave nothing open."""
        self._steps.close()

    def _run(self) -> Steps:
        self._start, self._end = dirty_from(self.log, self.cleaned_to), clean_up_to(self.log, self._now)
        self._producers = {row.producer_id: row for row in self.log.producers.rows()}
        segments = [segment for segment in self.log.segments if segment.base < self._end]
        self._sizes = {segment: segment.size for segment in segments}
        yield from self._note_keys([s for s in segments if self._last_of(s) >= self._start])
        txns = CleanedTxns(entry for segment in segments for entry in segment.txns.entries)
        for group in self._groups([segment for segment in segments if segment.base < self._end]):
            size, changed = yield from self._rewritten(group, txns)
            if not self._undisturbed():
                return
            with self.log.storing():
                if changed:
                    self._swap(group, size, txns.kept_aborted)
                else:
                    self.log.files.disk.remove(group[0].log_path + names.CLEANED)
        self.cleaned_to = self._end

    # -- which records stay

    def _note_keys(self, segments: list[Segment]) -> Steps:
        """Note the last offset of every key in the dirty part; end it early when there are too many."""
        entries = (entry for segment in segments for entry in segment.txns.entries)
        txns = CleanedTxns(entry for entry in entries if entry.last_offset >= self._start)
        for segment in segments:
            for head, data in self._batches(segment):
                yield len(data)
                if head.last_offset < self._start:
                    continue
                if head.base_offset >= self._end:
                    return
                if len(self._latest) >= MAX_KEYS:
                    self._end = head.base_offset
                    return
                dropped = txns.marker(head, data) if head.is_control else txns.data(head)
                if head.is_control or dropped:
                    continue
                for record in batch.records(data):
                    if record.key is not None and record.offset >= self._start:
                        self._latest[_short(record.key)] = record.offset

    def _batches(self, segment: Segment) -> Iterator[tuple[Header, memoryview]]:
        file = self.log.files.disk.open(segment.log_path)  # its own: the pool's may be closed between two steps
        try:
            for _, head, data in scan.batches(file, 0, segment.size):
                yield head, data
        finally:
            file.close()

    def _groups(self, segments: list[Segment]) -> Iterator[list[Segment]]:
        """Gather small neighbours that fit into one segment."""
        group: list[Segment] = []
        size = 0
        for segment in segments:
            if group and (
                size + segment.size > self.log.settings.segment_bytes or not group[0].fits(self._last_of(segment))
            ):
                yield group
                group, size = [], 0
            group.append(segment)
            size += segment.size
        if group:
            yield group

    def _last_of(self, segment: Segment) -> int:
        at = self.log.segments.floor(segment.base)
        return self.log.segments.end_of(at, self.log.leo) - 1

    def _kept(self, head: Header, data: memoryview, txns: CleanedTxns) -> bytes | memoryview | None:
        """What is left of a batch; None: nothing."""
        if head.base_offset >= self._end:
            return data
        expired = head.has_delete_horizon and head.base_timestamp <= self._now
        horizon = None if head.has_delete_horizon else self._now + self.log.settings.delete_retention_ms
        if head.is_control:
            empty = txns.marker(head, data)
            if head.producer_id < 0 or not empty:
                return data
            if expired:
                return self._without_records(head)
            return data if horizon is None else self._rebuilt(head, list(batch.records(data)), horizon)
        if txns.data(head):
            return self._without_records(head)
        records = list(batch.records(data))
        kept = [record for record in records if self._stays(record, expired)]
        tombstones = horizon is not None and any(record.value is None for record in kept)
        if not kept:
            return self._without_records(head) if records else self._emptied(head, data)
        if len(kept) == len(records) and not tombstones:
            return data
        return self._rebuilt(head, kept, horizon if tombstones else None)

    def _stays(self, record: Record, expired: bool) -> bool:
        if record.key is None:
            return False
        if record.offset < self._latest.get(_short(record.key), -1):
            return False
        return record.value is not None or not expired

    def _emptied(self, head: Header, data: memoryview) -> memoryview | None:
        """A batch that an earlier round emptied."""
        return data if self._is_needed(head) else None

    def _without_records(self, head: Header) -> bytes | None:
        return self._rebuilt(head, [], None) if self._is_needed(head) else None

    def _is_needed(self, head: Header) -> bool:
        """Whether a batch without records still says something: a producer's sequence or epoch, or the end."""
        row = self._producers.get(head.producer_id)
        if row is None or head.producer_epoch != row.epoch:
            return head.next_offset == self._end
        last = head.is_control if row.last_offset < 0 else head.last_offset == row.last_offset
        return last or head.next_offset == self._end

    def _rebuilt(self, head: Header, records: list[Record], horizon_ms: int | None) -> bytes:
        return build.rebuild(head, records, delete_horizon_ms=horizon_ms)

    # -- new segments for old ones

    def _rewritten(self, group: list[Segment], txns: CleanedTxns) -> Generator[int, None, tuple[int, bool]]:
        """Write what is left of a group into a `.cleaned` file, synced; its size, and whether anything changed."""
        file = self.log.files.disk.open(group[0].log_path + names.CLEANED, create=True)
        txns.begin_segment()
        size, changed = 0, len(group) > 1
        try:
            file.truncate(0)
            for segment in group:
                for head, data in self._batches(segment):
                    kept = self._kept(head, data, txns)
                    changed = changed or kept is not data
                    if kept is not None:
                        size += file.pwritev([kept], size)
                    yield len(data)
            file.sync()
        finally:
            file.close()
        return size, changed

    def _swap(self, group: list[Segment], size: int, aborted: list[AbortedTxn]) -> None:
        """Put the rewritten segment in the place of its group, so that a crash finds one or the other."""
        log, disk, path = self.log, self.log.files.disk, group[0].log_path
        disk.rename(path + names.CLEANED, path + names.SWAP)
        disk.sync_dir(log.path)
        for segment in group:
            # The snapshot at the group's beginning stays true: nothing before it has changed.
            log.doom(segment, snapshot=segment is not group[0])
        disk.sync_dir(log.path)
        interval, created = log.settings.index_interval_bytes, group[0].created_ms
        new = Segment(log.files, log.path, group[0].base, size, interval=interval, created_ms=created)
        new.log_path = path + names.SWAP
        new.reset_txns(aborted)
        new.rebuild()
        new.close()
        disk.sync_dir(log.path)
        disk.rename(path + names.SWAP, path)
        disk.sync_dir(log.path)
        new.log_path = path
        log.replaced(group, new)
        for segment in group:
            del self._sizes[segment]
        self._sizes[new] = size


def _short(key: bytes) -> bytes:
    """The key, or something as good: hashes are longer than any key that is kept whole."""
    return key if len(key) <= WHOLE_KEY_BYTES else blake2b(key, digest_size=WHOLE_KEY_BYTES + 1).digest()
