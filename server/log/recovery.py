"""Opening a log that is on disk: after a clean stop by a look, after a crash by reading what may not be whole.

Segments below the recovery point were synced before it moved, indexes, snapshots and epochs with them. Everything
from the segment that holds the recovery point on is read: batches up to the first unsound one are kept, what follows
is dropped, indexes, producers and epochs are built again. Removing goes from the end, one durable step after the
other, so that a crash in the midst of it leaves less, never a hole.

Files that a crash left half-way: `.deleted` and `.cleaned` go; a `.log.swap` is a compaction that was decided, and is
finished.
"""

import logging
from dataclasses import dataclass
from itertools import takewhile

from server.log import checkpoints, names, scan, snapshots
from server.log.epochs import EpochCache
from server.log.open_files import OpenFiles
from server.log.producers import ProducerStates
from server.log.segment import Segment
from server.log.segments import Segments
from server.model.errors import Rejected
from server.model.log_settings import LogSettings

log = logging.getLogger(__name__)

# How far to look back for batches that may be sent again: entries of the index (a batch or 4 KB each), in chunks, and
# how much earlier than others a producer was heard last; clients give up after two minutes by default.
RECALLED_ENTRIES = 8192
RECALLED_CHUNK = 16
RECALLED_MS = 900_000


@dataclass
class Loaded:
    segments: Segments
    log_start: int
    leo: int
    recovery_point: int
    epochs: EpochCache
    producers: ProducerStates
    unsynced: list[str]  # paths written or trusted without a sync


class _Loading:
    def __init__(self, files: OpenFiles, folder: str, settings: LogSettings, timestamp_ms: int) -> None:
        self.files, self.disk, self.folder, self.settings = files, files.disk, folder, settings
        self.timestamp_ms = timestamp_ms
        self.names: list[str] = []
        self.segments: list[Segment] = []
        self.snapshots: list[int] = []
        self.leo = 0
        self.epochs = EpochCache(lambda: self.leo)
        self.producers = ProducerStates()
        self.unsynced: list[str] = []
        self.swapped: int | None = None  # the first segment whose compaction was finished just now

    # -- files

    def tidy(self) -> None:
        """Finish or undo what was under way; `names` is what is left."""
        found = self.disk.list(self.folder)
        keep, swaps, dropped = [], [], False
        for name in found:
            parts = names.split(name)
            if parts and parts[1].endswith((names.DELETED, names.CLEANED)):
                self.disk.remove(f"{self.folder}/{name}")
                dropped = True
            elif parts and parts[1].endswith(names.SWAP):
                swaps.append(name)
            else:
                keep.append(name)
        if swaps:
            self._finish_swaps(swaps)
            keep = self.disk.list(self.folder)
        elif dropped:
            self.disk.sync_dir(self.folder)
        self.names = keep

    def _finish_swaps(self, swaps: list[str]) -> None:
        """Put each compacted segment in the place of those it was made from; its indexes are built again."""
        for name in swaps:
            if not name.endswith(names.LOG + names.SWAP):
                continue
            base = end = int(name[: names.DIGITS])
            path = f"{self.folder}/{names.stem(base)}{names.LOG}"
            file = self.disk.open(path + names.SWAP)
            try:
                for _, head, _ in scan.batches(file, 0, file.size()):
                    end = head.next_offset
            finally:
                file.close()
            for other in self.disk.list(self.folder):
                parts = names.split(other)
                if parts and (base <= parts[0] < end or parts[0] == base) and parts[1] in names.SEGMENT_SUFFIXES:
                    self.disk.remove(f"{self.folder}/{other}")
            self.disk.sync_dir(self.folder)
            self.disk.rename(path + names.SWAP, path)
            self.disk.sync_dir(self.folder)
            self.swapped = base if self.swapped is None else min(base, self.swapped)
        for name in swaps:
            if self.disk.exists(f"{self.folder}/{name}"):
                self.disk.remove(f"{self.folder}/{name}")
        self.disk.sync_dir(self.folder)

    def find_segments(self) -> None:
        found = [parts for name in self.names if (parts := names.split(name))]
        bases = sorted(base for base, suffix in found if suffix == names.LOG)
        known = set(bases)
        for base, suffix in found:
            if suffix in names.SEGMENT_SUFFIXES and base not in known:
                log.warning("Removing %s%s of %s: it has no log", names.stem(base), suffix, self.folder)
                self.disk.remove(f"{self.folder}/{names.stem(base)}{suffix}")
        snapshots_found = sorted(base for base, suffix in found if suffix == names.SNAPSHOT)
        # A snapshot from before the first segment knows nothing of the batches between them: it would tell stories.
        self.snapshots = [offset for offset in snapshots_found if not bases or offset >= bases[0]]
        for offset in snapshots_found[: len(snapshots_found) - len(self.snapshots)]:
            self.disk.remove(snapshots.path_of(self.folder, offset))
        for base in bases:
            size = self.disk.size(f"{self.folder}/{names.stem(base)}{names.LOG}")
            self.segments.append(self.segment(base, size))

    def segment(self, base: int, size: int) -> Segment:
        interval = self.settings.index_interval_bytes
        return Segment(self.files, self.folder, base, size, interval=interval, created_ms=self.timestamp_ms)

    def read_epochs(self) -> None:
        path = f"{self.folder}/{names.EPOCHS}"
        if names.EPOCHS not in self.names:
            return
        try:
            entries = checkpoints.parse_epochs(self.disk.read(path))
        except ValueError as error:
            log.warning("Ignoring %s: %s", path, error)
            return
        self.epochs = EpochCache(lambda: self.leo, entries)

    def drop(self, segments: list[Segment]) -> None:
        """Remove segments, the last one first."""
        for segment in reversed(segments):
            segment.close()
            for suffix in names.SEGMENT_SUFFIXES:
                if self.disk.exists(segment.stem + suffix):
                    self.disk.remove(segment.stem + suffix)
            self.disk.sync_dir(self.folder)
        gone = set(segments)
        self.segments = [segment for segment in self.segments if segment not in gone]

    # -- after a clean stop

    def trust(self) -> bool:
        """Take the end of the last segment as it is; False: it is not whole."""
        try:
            self.leo = self.segments[-1].next_offset()
        except Rejected as damage:
            log.warning("%s was stopped cleanly, and yet: %s", self.folder, damage)
            return False
        return True

    def load_producers(self, end: int) -> None:
        """Bring the producers to where they stood at offset `end`: a snapshot, and the batches behind it."""
        start = snapshots.load(self.disk, self.folder, self.snapshots, end, self.producers)
        after_ms = self.settings.producer_id_expiration_ms
        self.producers.expire(self.timestamp_ms, after_ms)
        if start and self._may_be_sent_again():
            recall(Segments(self.segments), self.producers, start)
        # Below the log start too: what is still there, the live log knew.
        replay(Segments(self.segments), self.producers, start or 0, end)
        self.producers.expire(self.timestamp_ms, after_ms)

    def _may_be_sent_again(self) -> bool:
        """Whether anybody wrote lately: by the producers' own clocks, or by the disk's, for theirs may say anything."""
        since_ms = self.timestamp_ms - RECALLED_MS
        return self.producers.heard_since(since_ms) or self.disk.modified_ms(self.segments[-1].log_path) >= since_ms

    # -- after a crash

    def recover(self, recovery_point: int) -> None:
        """Read everything from the segment that holds `recovery_point` on."""
        first = max(0, Segments(self.segments).floor(recovery_point))
        base = self.segments[first].base
        for offset in [offset for offset in self.snapshots if offset > base]:
            self.disk.remove(snapshots.path_of(self.folder, offset))
            self.snapshots.remove(offset)
        self.load_producers(base)
        self.leo = base
        may_have_gaps = "compact" in self.settings.cleanup_policy or self.swapped is not None
        for at in range(first, len(self.segments)):
            segment = self.segments[at]
            if at > first:
                if segment.base < self.leo or (segment.base > self.leo and not may_have_gaps):
                    log.warning("%s has a hole before offset %d; dropping what follows", self.folder, segment.base)
                    self.drop(self.segments[at:])
                    break
                self.leo = segment.base
                self.unsynced.append(snapshots.write(self.disk, self.folder, self.leo, self.producers))
            end = self._recover_segment(segment)
            active = at + 1 == len(self.segments)
            if end < segment.size:
                log.warning("Cutting %s at %d of %d bytes", segment.log_path, end, segment.size)
                self.drop(self.segments[at + 1 :])
                self._cut(segment, end)
                active = True
            if not active:
                segment.close_times()
                self.unsynced += segment.save_indexes()
            self.unsynced.append(segment.log_path)
            if active:
                break
        self.epochs.truncate_end(self.leo)

    def _recover_segment(self, segment: Segment) -> int:
        """Read a segment whole; return where its sound part ends."""
        size = segment.size
        segment.reset_indexes()
        segment.reset_txns()
        segment.size = 0
        epochs = self.epochs
        for _, head, data in scan.sound_batches(segment.file(), segment.base, size):
            segment.note(head.size, head.last_offset, head.max_timestamp)
            epoch = head.partition_leader_epoch
            if epoch >= 0 and epochs.epoch_of(head.base_offset) != epoch:
                # The checkpoint is older than a truncation: the batches know better.
                epochs.truncate_end(head.base_offset)
                if epochs.latest is None or epochs.latest < epoch:
                    epochs.assign(epoch, head.base_offset)
            try:
                aborted = self.producers.replay(head, data, 0)
            except Rejected as damage:  # the CRC is right: what cannot be read was written so
                log.warning("%s at offset %d: %s", self.folder, head.base_offset, damage)
                aborted = None
            if aborted is not None:
                segment.txns.add(aborted)
            self.leo = head.next_offset
        end, segment.size = segment.size, size
        return end

    def _cut(self, segment: Segment, end: int) -> None:
        file = segment.file()
        file.truncate(end)
        file.sync()
        segment.size = segment.written = end


def recall(segments: Segments, producers: ProducerStates, end: int) -> None:
    """Let the producers remember their batches right before `end`, which may be sent again.

    Apache Kafka does without: a producer with several batches in flight when the broker stops, whose answers are lost,
    is told OUT_OF_ORDER_SEQUENCE_NUMBER at the next start, which librdkafka takes for fatal. Reading goes backwards,
    and ends where every producer that may still send has its window.
    """
    at, budget = segments.floor(end - 1), RECALLED_ENTRIES
    since_ms = producers.last_heard_ms - RECALLED_MS
    try:
        while at >= 0 and budget > 0 and segments[at].base < end:
            segment = segments[at]
            positions, stop = segment.offsets.positions, segment.written
            # What is at `end` or behind it may not have been read yet, and be torn.
            last = segment.offsets.count_below(end - segment.base)
            while stop > 0 and budget > 0:
                first = max(last - RECALLED_CHUNK, 0)
                start = positions[first] if first > 0 else 0
                walk = scan.headers(segment.file(), start, stop)
                heads = list(takewhile(lambda head: head.base_offset < end, (head for _, head in walk)))
                if not producers.recall(heads, since_ms):
                    return
                budget -= last - first + 1
                last, stop = first, start
            at -= 1
    except Rejected as damage:
        log.warning("Cannot look back from offset %d: %s", end, damage)


def replay(segments: Segments, producers: ProducerStates, start: int, end: int) -> None:
    """Let the producers take note of the batches in [start, end) again; the transaction indexes are right already."""
    if start >= end:
        return
    for at in range(segments.floor(start), len(segments)):
        segment = segments[at]
        if segment.base >= end:
            return
        found = segment.locate(max(start, segment.base)) if segment.written else None
        if found is None:
            continue
        for _, head, data in scan.batches(segment.file(), found[0], segment.written):
            if head.base_offset >= end:
                return
            producers.replay(head, data, 0)


def fresh(files: OpenFiles, folder: str, settings: LogSettings, log_start: int, timestamp_ms: int) -> Loaded:
    """Begin the log in `folder`, which was made just now: nothing is looked for in there. Raises OSError."""
    interval = settings.index_interval_bytes
    first = Segment.create(files, folder, log_start, interval=interval, created_ms=timestamp_ms, new=True)
    epochs = EpochCache(lambda: log_start)
    return Loaded(Segments([first]), log_start, log_start, log_start, epochs, ProducerStates(), [first.log_path])


def load(
    files: OpenFiles,
    folder: str,
    settings: LogSettings,
    *,
    recovery_point: int,
    log_start: int,
    clean: bool,
    timestamp_ms: int,
) -> Loaded:
    """Open the log in `folder`, which exists. Raises OSError, Rejected."""
    loading = _Loading(files, folder, settings, timestamp_ms)
    loading.tidy()
    loading.find_segments()
    loading.read_epochs()
    segments = loading.segments
    if segments:
        log_start = max(log_start, segments[0].base)
        if loading.swapped is not None:
            clean, recovery_point = False, min(recovery_point, loading.swapped)
        if clean and loading.trust():
            recovery_point = loading.leo
            loading.load_producers(loading.leo)
        else:
            loading.recover(recovery_point)
            recovery_point = min(recovery_point, loading.leo)
        if loading.leo < log_start:
            log.warning("%s ends at %d, before its start %d: it begins anew", folder, loading.leo, log_start)
            loading.drop(loading.segments)
    if not loading.segments:
        for offset in loading.snapshots:
            if files.disk.exists(snapshots.path_of(folder, offset)):
                files.disk.remove(snapshots.path_of(folder, offset))
        interval = settings.index_interval_bytes
        loading.segments = [Segment.create(files, folder, log_start, interval=interval, created_ms=timestamp_ms)]
        loading.unsynced.append(loading.segments[0].log_path)
        loading.epochs.clear()
        loading.producers.clear()
        loading.leo = recovery_point = log_start
    loading.epochs.truncate_end(loading.leo)
    loading.epochs.truncate_start(log_start)
    return Loaded(
        Segments(loading.segments),
        log_start,
        loading.leo,
        recovery_point,
        loading.epochs,
        loading.producers,
        loading.unsynced,
    )
