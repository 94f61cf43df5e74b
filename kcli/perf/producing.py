"""One process that writes records as fast as they go, or at a pace, and measures what became of them.

The latency of a record counts from the moment that it is handed to the producer until its batch is acknowledged, as in
Kafka's tool. At a pace it is counted from the moment that it was due, too: a run that cannot keep up then shows it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kcli.errors import Failure, words
from kcli.model.measures import Chunk, Latencies, Stats, Window
from kcli.perf.payloads import Payloads
from kcli.pipeline.checksum import crc32c
from kcli.pipeline.encoding import RECORD_OVERHEAD, Batch, Headers
from kcli.pipeline.network import FOREVER_MS, Network
from kcli.pipeline.outbox import UNKNOWN_TOPIC
from kcli.pipeline.producer import Failed, Producer
from kcli.pipeline.settings import NetworkSettings, ProducerSettings
from kcli.plan.perf import Pace
from kcli.properties import Connection

APPEAR_MS = 2_000.0  # how long a topic that has just been made may take to be known everywhere
MAX_CHUNK = 4096
TOLD = 10  # failures that are told one by one


class Load(NamedTuple):
    """What a run is to send."""

    topics: Sequence[str]
    records: int
    payloads: Payloads
    throughput: float = -1.0
    warmup: int = 0
    interval_ms: float = 5_000
    keys: Sequence[bytes] = ()  # each record has one of them, in turn; none: no key
    headers: Headers = ()


class Produced(NamedTuple):
    """What came of a run. `steady`: what was sent after the warm-up. `stopped`: why it ended early, if it did."""

    stats: Stats
    elapsed_ms: float
    steady: Stats | None
    steady_elapsed_ms: float
    due: Latencies | None
    sent: int
    failed: int
    counters: "Counters"
    stopped: BaseException | None


class Counters:
    """What --print-metrics tells."""

    def __init__(self) -> None:
        self.batches = self.batch_bytes = self.largest_batch = self.errors = 0

    def join(self, other: "Counters") -> None:
        self.batches += other.batches
        self.batch_bytes += other.batch_bytes
        self.largest_batch = max(self.largest_batch, other.largest_batch)
        self.errors += other.errors


class Run:
    """One run. `told` hears of each window, with whether it is the first of the steady state; `notice` of troubles."""

    def __init__(
        self,
        load: Load,
        connection: Connection,
        settings: ProducerSettings,
        *,
        told: Callable[[Window, bool], None],
        notice: Callable[[str], None],
        moved: Callable[[int, int, float], None] | None = None,
    ) -> None:
        self._moved = moved
        self._load, self._connection, self._settings = load, connection, settings
        self._told, self._notice = told, notice
        self._pace = Pace(load.throughput)
        self._chunk = max(1, min(MAX_CHUNK, settings.batch_size // (load.payloads.largest + RECORD_OVERHEAD)))
        self._steady: Stats | None = None
        self._due = Latencies() if self._pace.limited else None
        self._sent = self._failed = 0
        self._reasons: dict[str, int] = {}
        self.counters = Counters()

    def all(self) -> Produced:
        """Do it. Raises Failure for what keeps it from beginning; what ends it later comes with the result."""
        stopped: BaseException | None = None
        with Network(
            self._connection, NetworkSettings.of(self._connection.settings), notice=self._notice
        ) as self._network:
            self._network.start()
            self._now = self._network.now_ms
            present(self._network, self._load.topics)
            crc32c(b"")  # what it takes to be there is not what is measured
            producer = Producer(self._network, self._settings, failed=self._not_sent, delivered=self._delivered)
            self._stats = Stats(self._now(), self._load.interval_ms)
            try:
                self._send(producer)
                producer.flush()
            except (Failure, KeyboardInterrupt) as why:
                stopped = why
            now = self._now()
            for stats in filter(None, (self._stats, self._steady)):
                stats.close(now)
        if self._failed > sum(self._reasons.values()):
            self._notice("Further failures are not told.")
        steady_ms = now - self._steady.start_ms if self._steady else 0.0
        return Produced(
            self._stats,
            now - self._stats.start_ms,
            self._steady,
            steady_ms,
            self._due,
            self._sent,
            self._failed,
            self.counters,
            stopped,
        )

    # --- sending

    def _send(self, producer: Producer) -> None:
        load, pace, turn = self._load, self._pace, 0
        while self._sent < load.records:
            now, sent = self._now(), self._sent
            if load.warmup and sent >= load.warmup and self._steady is None:
                self._steady = Stats(now, load.interval_ms)
            limit = load.warmup if sent < load.warmup else load.records
            count = min(self._chunk, limit - sent)
            if pace.limited:
                elapsed = now - self._stats.start_ms
                count = min(count, pace.due(elapsed) - sent)
                if count <= 0:
                    producer.poll(pace.rest_ms(elapsed, sent))
                    continue
            values = load.payloads.values(sent, count)
            mark = Chunk(now, sent, load.payloads.size if load.payloads.size is not None else list(map(len, values)))
            self._hand(producer, load.topics[turn % len(load.topics)], values, mark)
            self._sent += count
            turn += 1

    def _hand(self, producer: Producer, topic: str, values: list[bytes], mark: Chunk) -> None:
        keys, headers = self._load.keys, self._load.headers
        if not keys and not headers:
            producer.send_values(topic, values, mark=mark)
            return
        for index, value in enumerate(values):
            key = keys[(mark.first + index) % len(keys)] if keys else None
            producer.send(topic, key, value, headers, mark=mark, index=index)

    # --- what became of it

    def _delivered(self, topic: str, partition: int, batch: Batch) -> None:
        now, counters = self._now(), self.counters
        counters.batches += 1
        counters.batch_bytes += batch.size
        counters.largest_batch = max(counters.largest_batch, batch.size)
        stats, warmup = self._stats, self._load.warmup
        for chunk, skipped, count in batch.marks:
            assert isinstance(chunk, Chunk), "every record is handed over with one"
            latency, size = now - chunk.sent_ms, chunk.bytes(skipped, count)
            stats.add(latency, count, size)
            if self._steady and chunk.first >= warmup:
                self._steady.add(latency, count, size)
            if self._due is not None:
                for index in range(chunk.first + skipped, chunk.first + skipped + count):
                    self._due.add(now - stats.start_ms - self._pace.moment_ms(index), 1)
        self._turn(now)
        if self._moved:
            self._moved(stats.latencies.records, stats.bytes, now - stats.start_ms)

    def _turn(self, now: float) -> None:
        """Tell of a window that is over; once records of the steady state come, theirs."""
        steady = self._steady
        first = steady is not None and not steady.windows
        told = steady.turned(now) if steady and steady.latencies.records else None
        whole = self._stats.turned(now)
        if told:
            self._told(told, first)
        elif whole and steady is None:
            self._told(whole, False)

    def _not_sent(self, failed: Failed) -> None:
        for _, _, why in failed.records:
            self._failed += 1
            self.counters.errors += 1
            if why in self._reasons or len(self._reasons) < TOLD:
                self._reasons[why] = self._reasons.get(why, 0) + 1
                if self._reasons[why] == 1:
                    self._notice(why)


def present(network: Network, topics: Sequence[str]) -> None:
    """Wait until all the topics are known. Raises Failure: one does not exist; none is made here."""
    network.want(topics)
    began = network.now_ms()
    while True:
        views = {name: network.topology.topics.get(name) for name in topics}
        if all(view and view.leaders for view in views.values()):
            return
        waited = network.now_ms() - began
        absent = [name for name, view in views.items() if view and view.error == UNKNOWN_TOPIC]
        if absent and waited > APPEAR_MS:
            raise Failure(
                f"Topic {absent[0]} does not exist", f"Create it with 'kcli topics --create --topic {absent[0]}'."
            )
        refused = [(name, view.error) for name, view in views.items() if view and view.error not in (0, UNKNOWN_TOPIC)]
        if refused and waited > APPEAR_MS:
            name, error = refused[0]
            raise Failure(f"Topic {name}: {words(error)}")
        if waited > network.settings.request_timeout_ms:
            raise Failure("The brokers do not tell who leads the topic", "Are they up? Try 'kcli cluster status'.")
        network.refresh()
        network.poll(min(FOREVER_MS, network.settings.retry_backoff_ms))
