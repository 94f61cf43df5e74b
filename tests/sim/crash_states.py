"""Every disk state that a crash may leave behind, recovered and judged: a seed is a log's life.

A life is a random sequence of appends, rolls, syncs, truncations, retention, restarts, deletions. Ahead of each change
to the disk, states are drawn that a crash right there might leave (unsynced writes lost, torn, kept out of order;
unsynced names lost), opened by the production code, and compared with what was appended. Some lives go on from such a
state, so that crashes in the midst of a recovery are met too.

    python -m tests.sim.crash_states 10000 [first seed]      # until that many states were judged
"""

import logging
import sys
from dataclasses import dataclass
from random import Random
from uuid import UUID

from server.log.dirs import LogDirs
from server.log.log import Log, Origin
from server.log.log_dir import LogDir
from server.log.meta_properties import MetaProperties, format
from server.log.sync import SyncJob
from server.model.errors import Rejected
from server.model.ids import DirectoryId, TopicId
from server.model.log_settings import LogSettings
from server.records import batch, build
from server.records.batch import Record
from tests.sim.crash_judge import END, Judge, Truth
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper

DATA, TOPIC = "/data", "t"
NOW = 1_700_000_000_000
META = format(MetaProperties("c", 1, DirectoryId(UUID(int=1 << 70))), NOW).encode()


class _Clock:
    def __init__(self) -> None:
        self.ms = 0

    def now_ms(self) -> int:
        return self.ms

    def timestamp_ms(self) -> int:
        return NOW + self.ms


class _Rng:
    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def below(self, stop: int) -> int:
        return self._rng.randrange(stop)

    def uuid(self) -> UUID:
        return UUID(int=self._rng.getrandbits(120) + 1000)


@dataclass
class Producer:
    producer_id: int
    epoch: int = 0
    sequence: int = 0
    open: bool = False


class Life:
    def __init__(self, seed: int, images: float) -> None:
        self.seed, self.judged = seed, 0
        self.rng = Random(seed)
        self._images = images
        self.settings = self._draw_settings()
        self.clock = _Clock()
        self.disk = MemoryDisk(self.clock.timestamp_ms)
        self.disk.make_dirs(DATA)
        self.disk.sync_dir("/")
        self.disk.replace(f"{DATA}/meta.properties", META)
        self.truth = Truth()
        self.jobs: list[SyncJob] = []
        self.epoch = 0
        self.producers: list[Producer] = []
        self._judging = False
        self.dirs = self._start(self.disk)
        self.disk.before = self._maybe_crash
        self._create()

    def _draw_settings(self) -> LogSettings:
        rng = self.rng
        return LogSettings(
            cleanup_policy=frozenset({rng.choice(["delete", "delete", "compact"])}),
            segment_bytes=rng.choice([700, 1500, 4000]),
            segment_index_bytes=rng.choice([48, 10_000]),
            index_interval_bytes=rng.choice([0, 150, 400]),
            flush_messages=rng.choice([7, 1 << 60]),
            retention_ms=-1,
            retention_bytes=rng.choice([-1, -1, 3000]),
            file_delete_delay_ms=rng.choice([0, 50]),
        )

    def _start(self, disk: MemoryDisk) -> LogDirs:
        dirs = LogDirs(
            disk,
            self.clock,
            _Rng(self.rng),
            [DATA],
            compaction_bytes=0,
            run=self.jobs.append,
            on_offline=_never,
        )
        dirs.claim(1)
        dirs.load(lambda topic: self.settings)
        return dirs

    def _create(self) -> None:
        self.truth = Truth()
        self.dirs.create_log(TOPIC, 0, TopicId(_Rng(self.rng).uuid()), self.settings)
        self.producers = [Producer(producer_id) for producer_id in self.rng.sample(range(1000), 2)]
        self.epoch = 0

    @property
    def log(self) -> Log:
        found = self.dirs.get(TOPIC, 0)
        assert found is not None
        return found

    # -- living

    def step(self) -> None:
        self.clock.ms += self.rng.randrange(100)
        draw = self.rng.random()
        for weight, act in (
            (0.55, self._append),
            (0.07, self._sync),
            (0.08, self._run_jobs),
            (0.06, self._tick),
            (0.05, self._truncate),
            (0.05, self._advance_start),
            (0.03, self._roll),
            (0.03, self._restart),
            (0.02, self._start_elsewhere),
            (0.02, self._delete),
            (1.0, self._go_on_after_crash),
        ):
            if draw < weight:
                act()
                break
            draw -= weight
        self._settle()

    def _settle(self) -> None:
        """Take over what the log says is durable; that this is so is what the judging proves."""
        log, truth = self.log, self.truth
        truth.written, truth.synced = log.leo, log.recovery_point
        truth.exists = truth.exists or log.recovery_point > truth.first
        truth.start = (max(truth.start[0], log.segments[0].base), log.log_start_offset)
        truth.started_anew = False
        if self.rng.random() < 0.2:
            Judge(self.seed, truth, self.settings, log, Temper.KEEP).judge()  # the living are judged too

    def _append(self) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            if self.rng.random() < 0.1:
                self.epoch += 1
            data, origin = self._draw_batch()
            if self.rng.random() < 0.3:
                batch.stamp(data, 0, self.log.leo, self.epoch)
                self.truth.batches.append(data)
                self.log.append_as_follower(data, self.clock.timestamp_ms())
            else:
                appended = self.log.stage(data, self.epoch, self.clock.timestamp_ms(), origin=origin)
                assert not appended.duplicate, self.seed
                self.truth.batches.append(data)
                if self.rng.random() < 0.7:
                    self.log.write()
                    self.truth.written = self.log.leo
        self.log.write()

    def _draw_batch(self) -> tuple[bytearray, Origin]:
        rng, now = self.rng, self.clock.timestamp_ms()
        producer = rng.choice([None, *self.producers])
        if producer is not None and producer.open and rng.random() < 0.4:
            producer.open = False
            return self._marker(producer, rng.randrange(2)), Origin.COORDINATOR
        key = b"k" if "compact" in self.settings.cleanup_policy else None
        records = [
            Record(0, now - rng.randrange(200), key, rng.randbytes(rng.randrange(120)))
            for _ in range(rng.randrange(1, 5))
        ]
        if producer is None:
            return bytearray(build.build(records, codec=rng.choice([0, 0, 1, 4]))), Origin.CLIENT
        if rng.random() < 0.05 and not producer.open:
            producer.epoch, producer.sequence = producer.epoch + 1, 0
        producer.open = producer.open or rng.random() < 0.5
        data = build.build(
            records,
            producer_id=producer.producer_id,
            producer_epoch=producer.epoch,
            base_sequence=producer.sequence,
            transactional=producer.open,
        )
        producer.sequence += len(records)
        return bytearray(data), Origin.CLIENT

    def _marker(self, producer: Producer, kind: int) -> bytearray:
        key, value = b"\0\0" + kind.to_bytes(2, "big"), b"\0\0" + bytes(4)
        record = Record(0, self.clock.timestamp_ms(), key, value)
        return bytearray(
            build.build(
                [record],
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                transactional=True,
                control=True,
            )
        )

    def _sync(self) -> None:
        self.log.flush()

    def _run_jobs(self) -> None:
        """Run or finish what waits for another thread, as late as it may come."""
        job = self.log.sync_job()
        if job is not None:
            self.jobs.append(job)
        if self.jobs:
            self.jobs[0].run()
            if self.rng.random() < 0.7:
                self.jobs.pop(0).finish()

    def _tick(self) -> None:
        self.truth.start = (self.truth.start[0], self.log.leo)
        self.log.hw = self.log.leo
        self.clock.ms += self.rng.choice([0, 6_000, 400_000])
        self.dirs.tick()

    def _roll(self) -> None:
        if self.log.leo > self.log.segments.active.base:
            self.log.roll(self.clock.timestamp_ms())

    def _advance_start(self) -> None:
        log = self.log
        offset = self.rng.randrange(log.log_start_offset, log.leo + 1)
        self.truth.start = (self.truth.start[0], offset)
        log.advance_log_start(offset)
        self.truth.start = (offset, offset)

    def _truncate(self) -> None:
        log, truth = self.log, self.truth
        if log.leo == log.log_start_offset:
            return
        offset = self.rng.randrange(log.log_start_offset, log.leo + 1)
        heads = [batch.header(data) for data in truth.batches]
        kept = [at for at, head in enumerate(heads) if head.last_offset < offset]
        cut = offset if len(kept) == len(heads) else min(offset, heads[len(kept)].base_offset)
        anew = cut < log.log_start_offset or offset == log.log_start_offset
        if anew:
            cut = log.log_start_offset
        truth.synced, truth.written = min(truth.synced, cut), min(truth.written, cut)
        truth.started_anew = anew
        truth.start = (min(truth.start[0], cut), max(truth.start[1], cut))
        log.truncate_to(offset)
        assert log.leo == cut, self.seed
        if anew:
            self._now_empty(cut)
        del truth.batches[len(kept) :]
        self._forget_open()

    def _start_elsewhere(self) -> None:
        truth = self.truth
        offset = max(0, self.log.leo + self.rng.randrange(-20, 20))
        truth.started_anew, truth.synced, truth.written = True, 0, 0
        truth.start = (0, max(self.log.leo, offset))
        self.log.truncate_fully_and_start_at(offset, self.clock.timestamp_ms())
        self._now_empty(offset)
        self._forget_open()

    def _now_empty(self, offset: int) -> None:
        self.truth.batches.clear()
        self.truth.first, self.truth.start = offset, (offset, offset)

    def _forget_open(self) -> None:
        """Sequences went back: the producers begin new epochs."""
        unended = {row.producer_id for row in self.log.producers.rows() if row.txn_first_offset >= 0}
        for producer in self.producers:
            producer.epoch, producer.sequence = producer.epoch + 1, 0
            producer.open = producer.producer_id in unended
        self.epoch += 1

    def _restart(self) -> None:
        self.jobs.clear()
        self.dirs.close()
        self.truth.synced = self.log.leo
        self.truth.exists = True
        before = (self.log.leo, self.log.log_start_offset, self.log.producers.rows(), self.log.aborted(0, END))
        self.dirs = self._start(self.disk)
        assert before == (
            self.log.leo,
            self.log.log_start_offset,
            self.log.producers.rows(),
            self.log.aborted(0, END),
        ), self.seed

    def _delete(self) -> None:
        self.truth.exists = False
        self.truth.synced = self.truth.written = 0
        self.truth.started_anew = True
        self.jobs.clear()
        self.dirs.delete_log(TOPIC, 0)
        self._create()

    def _go_on_after_crash(self) -> None:
        """Let this life's disk crash, and live on."""
        temper = self.rng.choice(list(Temper))
        self.disk.before = _nothing
        self.disk.crash(self.rng, temper)
        self.disk.before = self._maybe_crash
        self.jobs.clear()
        truth = self.truth
        truth.written = truth.written if temper is Temper.KEEP else truth.synced
        truth.synced = min(truth.synced, truth.written)
        self.dirs = self._start(self.disk)
        if self.dirs.get(TOPIC, 0) is None:
            assert not truth.exists, self.seed
            self._create()
            return
        Judge(self.seed, truth, self.settings, self.log, temper).judge()
        truth.batches = [data for data in truth.batches if batch.header(data).next_offset <= self.log.leo]
        if self.log.size == 0:
            self._now_empty(self.log.leo)
        self._forget_open()

    # -- dying

    def _maybe_crash(self, operation: str, path: str) -> None:
        if self._judging or self.rng.random() >= self._images:
            return
        self._judging = True
        try:
            for temper in Temper:
                image = self.disk.crashed(self.rng, temper)
                image.before = _nothing
                self._judge(image, temper)
        finally:
            self._judging = False

    def _judge(self, image: MemoryDisk, temper: Temper) -> None:
        self.judged += 1
        jobs, self.jobs = self.jobs, []
        dirs = self._start(image)
        self.jobs = jobs
        log = dirs.get(TOPIC, 0)
        if log is None:
            assert not self.truth.exists, f"seed {self.seed}: the log is gone"
            return
        Judge(self.seed, self.truth, self.settings, log, temper).judge()


def _nothing(operation: str, path: str) -> None:
    pass


def _never(directory: LogDir) -> None:
    raise AssertionError(f"{directory.path} went offline: {directory.offline}")


def live(seed: int, steps: int = 60, images: float = 0.1) -> int:
    """Live one life; return how many disk states were judged. The seed is in every failure."""
    life = Life(seed, images)
    try:
        for _ in range(steps):
            life.step()
    except (OSError, Rejected) as error:
        raise AssertionError(f"seed {seed}: {error!r}") from error
    return life.judged


def main() -> None:
    logging.disable()
    wanted, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    judged = 0
    while judged < wanted:
        judged += live(seed)
        seed += 1
    sys.stdout.write(f"{judged} disk states of {seed} lives recovered and judged, 0 bad\n")


if __name__ == "__main__":
    main()
