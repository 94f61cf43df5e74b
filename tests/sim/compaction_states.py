"""Crashes in the midst of compaction: whatever is left, every key has its value.

As in crash_states.py, a seed is a log's life; here it writes few keys, many times, with tombstones, and compacts. A
recovered log must hold records that were written, at their offsets, and say the same of every key as all records that
were written below its end.
"""

from random import Random
from uuid import UUID

from server.log.compaction import Compaction
from server.log.dirs import LogDirs
from server.log.log import Log
from server.log.meta_properties import MetaProperties, format
from server.model.ids import DirectoryId, TopicId
from server.model.log_settings import LogSettings
from server.records import batch, build
from server.records.batch import Record
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper
from tests.support.logs import NOW, CountingRng, FixedClock

DATA = "/data"


class KeyedLife:
    def __init__(self, seed: int, images: float) -> None:
        self.seed, self.judged, self._images = seed, 0, images
        self.rng, self.clock = Random(seed), FixedClock()
        self.settings = LogSettings(
            cleanup_policy=frozenset({"compact"}),
            segment_bytes=self.rng.choice([450, 900]),
            index_interval_bytes=self.rng.choice([0, 200]),
            delete_retention_ms=300,
            min_cleanable_dirty_ratio=0.1,
            file_delete_delay_ms=50,
        )
        self.written: list[Record] = []
        self.synced = 0
        self.disk = MemoryDisk(self.clock.timestamp_ms)
        self.disk.make_dirs(DATA)
        meta = MetaProperties("c", 1, DirectoryId(UUID(int=1 << 70)))
        self.disk.replace(f"{DATA}/meta.properties", format(meta, NOW).encode())
        self._rounds: list[Compaction] = []
        self.cleaned_to = 0
        self._sequence = 0
        self._dirs = self._start(self.disk)
        self._dirs.create_log("t", 0, TopicId(UUID(int=1 << 90)), self.settings)
        self.log.flush()
        self._judging = False
        self.disk.before = self._maybe_crash

    def _start(self, disk: MemoryDisk) -> LogDirs:
        dirs = LogDirs(disk, self.clock, CountingRng(), [DATA], compaction_bytes=0)
        dirs.claim(1)
        dirs.load(lambda topic: self.settings)
        return dirs

    @property
    def log(self) -> Log:
        found = self._dirs.get("t", 0)
        assert found is not None
        return found

    def step(self) -> None:
        self.clock.ms += self.rng.randrange(60)
        draw = self.rng.random()
        if draw < 0.45:
            self._append()
        elif draw < 0.85:
            self._compact()
        elif draw < 0.9:
            self.log.flush()
        elif draw < 0.95:
            self._dirs.tick()
        else:
            self._restart()
        self.synced = self.log.recovery_point

    def _append(self) -> None:
        rng = self.rng
        made = [
            Record(
                0,
                self.clock.timestamp_ms(),
                b"k%d" % rng.randrange(6),
                None if rng.random() < 0.2 else rng.randbytes(rng.randrange(60)),
            )
            for _ in range(rng.randrange(1, 5))
        ]
        codec = rng.choice([batch.NONE, batch.GZIP])
        data = build.build(made, codec=codec)
        if rng.random() < 0.5:
            data = build.build(made, codec=codec, producer_id=7, producer_epoch=0, base_sequence=self._sequence)
            self._sequence += len(made)
        base = self.log.leo
        self.written += [record._replace(offset=base + n) for n, record in enumerate(made)]
        self.log.append(data, 0, self.clock.timestamp_ms())
        self.log.hw = self.log.leo

    def _compact(self) -> None:
        if not self._rounds:
            self._rounds.append(Compaction(self.log, self.cleaned_to, self.clock.timestamp_ms()))
        if not self._rounds[0].step(self.rng.randrange(1, 2000)):
            self.cleaned_to = self._rounds.pop().cleaned_to

    def _restart(self) -> None:
        self._rounds.clear()
        if self.rng.random() < 0.5:
            self._dirs.close()
        else:
            self.disk.before = _nothing
            self.disk.crash(self.rng)
            self.disk.before = self._maybe_crash
        self._dirs = self._start(self.disk)
        self._judge_log(self.log, "went on")
        self.log.hw = self.log.leo
        self.cleaned_to = min(self.cleaned_to, self.log.leo)
        del self.written[self.log.leo :]
        self._sequence = max((row.last_sequence + 1 for row in self.log.producers.rows()), default=0)

    def _maybe_crash(self, operation: str, path: str) -> None:
        if self._judging or self.rng.random() >= self._images:
            return
        self._judging = True
        for temper in Temper:
            image = self.disk.crashed(self.rng, temper)
            image.before = _nothing
            self.judged += 1
            dirs = self._start(image)
            log = dirs.get("t", 0)
            assert log is not None, self.seed
            self._judge_log(log, temper.name)
        self._judging = False

    def _judge_log(self, log: Log, how: str) -> None:
        words = f"seed {self.seed}, {how}"
        assert log.leo >= self.synced, f"{words}: ends at {log.leo}, not at {self.synced}"
        found, offset = [], 0
        while offset < log.leo:
            part = log.read(offset, 400, log.leo)
            if part.next_offset == offset:
                break
            for at, _ in batch.headers(part.data):
                batch.verify(part.data, at)
                found += list(batch.records(part.data, at))
            offset = part.next_offset
        assert all(self.written[record.offset] == record for record in found), f"{words}: never written so"
        assert [record.offset for record in found] == sorted({record.offset for record in found}), f"{words}: order"
        assert _values(found) == _values(self.written[: log.leo]), f"{words}: other values"
        for record in found:
            segment = log.segments[log.segments.floor(record.offset)]
            located = segment.locate(record.offset)
            assert located is not None, words
            assert located[1].base_offset <= record.offset <= located[1].last_offset, f"{words}: index"


def _values(records: list[Record]) -> dict[bytes | None, bytes]:
    last = {record.key: record.value for record in records}
    return {key: value for key, value in last.items() if value is not None}


def _nothing(operation: str, path: str) -> None:
    pass


def live(seed: int, steps: int = 80, images: float = 0.1) -> int:
    """Live one life; return how many disk states were judged."""
    life = KeyedLife(seed, images)
    for _ in range(steps):
        life.step()
    return life.judged
