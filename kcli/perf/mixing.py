"""Writing and reading at once: how long records take from their sending until they have been read.

Each value begins with the moment of its sending, so that the clock of one process measures both ends. Writing and
reading have connections of their own: a broker answers in the order of requests, and a fetch may wait for long.
"""

import random
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

from kcli.errors import Failure
from kcli.model.measures import Chunk, Latencies, Stats, Window
from kcli.perf.producing import present
from kcli.pipeline.checksum import crc32c
from kcli.pipeline.decoding import Block
from kcli.pipeline.encoding import RECORD_OVERHEAD, Batch
from kcli.pipeline.fetcher import Fetcher
from kcli.pipeline.messages import LATEST
from kcli.pipeline.network import Network
from kcli.pipeline.producer import Failed, Producer
from kcli.pipeline.settings import FetchSettings, NetworkSettings, ProducerSettings
from kcli.plan.perf import Pace
from kcli.properties import Connection

STAMP = struct.Struct(">q")
STEP_MS = 1.0  # how long one side is waited for without a look at the other
MAX_CHUNK = 1024
QUIET_MS = 10_000.0  # how long what is missing is waited for


class Mixed(NamedTuple):
    """`written`: acknowledged records; `read`: their latencies end to end; `foreign`: records of somebody else."""

    written: Stats
    read: Latencies
    elapsed_ms: float
    failed: int
    foreign: int
    stopped: BaseException | None


class Run:
    def __init__(
        self,
        topic: str,
        size: int,
        connection: Connection,
        producer: ProducerSettings,
        fetch: FetchSettings,
        *,
        interval_ms: float,
        told: Callable[[Window], None],
        notice: Callable[[str], None],
    ) -> None:
        self._topic, self._size, self._connection = topic, max(size, STAMP.size), connection
        self._settings, self._fetch = producer, fetch
        self._interval_ms, self._told, self._notice = interval_ms, told, notice
        self._filler = random.Random(0).randbytes(self._size - STAMP.size)
        self._read = Latencies()
        self._foreign = self._failed = 0

    def all(self, count: int, throughput: float) -> Mixed:
        """Raises Failure for what keeps it from beginning; what ends it later comes with the result."""
        stopped: BaseException | None = None
        limits = NetworkSettings.of(self._connection.settings)
        with (
            Network(self._connection, limits, notice=self._notice) as self._network,
            Network(self._connection, limits, notice=self._notice) as reading,
        ):
            for network in (self._network, reading):
                network.start()
                present(network, [self._topic])
            crc32c(b"")
            producer = Producer(self._network, self._settings, failed=self._not_sent, delivered=self._delivered)
            fetcher = Fetcher(reading, self._fetch)
            keys = [(self._topic, index) for index in reading.topology.topics[self._topic].leaders]
            fetcher.assign({key: row.offset for key, row in fetcher.offsets(dict.fromkeys(keys, LATEST)).items()})
            self._stats = Stats(self._network.now_ms(), self._interval_ms)
            try:
                self._go(producer, fetcher, count, Pace(throughput))
            except (Failure, KeyboardInterrupt) as why:
                stopped = why
            now = self._network.now_ms()
            self._stats.close(now)
        return Mixed(self._stats, self._read, now - self._stats.start_ms, self._failed, self._foreign, stopped)

    def _go(self, producer: Producer, fetcher: Fetcher, count: int, pace: Pace) -> None:
        now, sent = self._network.now_ms, 0
        chunk = max(1, min(MAX_CHUNK, self._settings.batch_size // (self._size + RECORD_OVERHEAD)))
        quiet = now() + QUIET_MS
        while self._read.records + self._failed < count or producer.pending:  # what is read may not be answered yet
            elapsed = now() - self._stats.start_ms
            due = min(count, pace.due(elapsed)) - sent if pace.limited else count - sent
            if due > 0:
                size = min(due, chunk)
                value = STAMP.pack(time.monotonic_ns()) + self._filler
                producer.send_values(self._topic, [value] * size, mark=Chunk(now(), sent, self._size))
                sent += size
            producer.poll(0)
            before = self._read.records
            blocks, _ = fetcher.poll(0.0 if due > chunk else STEP_MS)
            for block in blocks:
                self._took(block)
            if self._read.records > before or sent < count or producer.pending:
                quiet = now() + QUIET_MS
            elif now() > quiet:
                raise Failure(f"{count - self._read.records - self._failed} records were sent and did not come back")

    def _took(self, block: Block) -> None:
        now = time.monotonic_ns()
        stamps: dict[bytes, int] = {}
        for value in block.values():
            if value is None or len(value) != self._size or value[STAMP.size :] != self._filler:
                self._foreign += 1
            else:
                head = value[: STAMP.size]
                stamps[head] = stamps.get(head, 0) + 1
        for head, count in stamps.items():
            self._read.add((now - STAMP.unpack(head)[0]) / 1e6, count)

    def _delivered(self, topic: str, partition: int, batch: Batch) -> None:
        now = self._network.now_ms()
        for chunk, skipped, count in batch.marks:
            assert isinstance(chunk, Chunk), "every record is handed over with one"
            self._stats.add(now - chunk.sent_ms, count, chunk.bytes(skipped, count))
        ended = self._stats.turned(now)
        if ended:
            self._told(ended)

    def _not_sent(self, failed: Failed) -> None:
        if not self._failed:
            self._notice(failed.records[0][2])
        self._failed += len(failed.records)
