"""One record after the other, each read back before the next one goes: what that takes is the latency end to end."""

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from kcli.errors import Failure
from kcli.model.measures import Latencies
from kcli.perf.producing import present
from kcli.pipeline.decoding import Record
from kcli.pipeline.encoding import Headers
from kcli.pipeline.fetcher import Fetcher
from kcli.pipeline.messages import LATEST
from kcli.pipeline.network import Network
from kcli.pipeline.producer import Failed, Producer
from kcli.pipeline.settings import FetchSettings, NetworkSettings, ProducerSettings
from kcli.properties import Connection

PATIENCE_MS = 60_000.0  # how long a record is waited for
_LETTERS = bytes(65 + value % 26 for value in range(256))


class Shape(NamedTuple):
    """What a record holds, in bytes. `key`: 0 for none; `header_value`: -1 for a null."""

    value: int
    key: int = 0
    headers: int = 0
    header_key: int = 0
    header_value: int = 0


class Echoed(NamedTuple):
    latencies: Latencies
    total_ns: int
    stopped: BaseException | None


class Run:
    """`told` hears of the index and the latency in ns of every record."""

    def __init__(
        self,
        topic: str,
        shape: Shape,
        connection: Connection,
        producer: ProducerSettings,
        fetch: FetchSettings,
        *,
        told: Callable[[int, int], None],
        notice: Callable[[str], None],
    ) -> None:
        self._topic, self._shape, self._connection = topic, shape, connection
        self._settings, self._fetch, self._told, self._notice = producer, fetch, told, notice
        self._rng = random.Random(0)
        self._failed: list[str] = []

    def all(self, count: int) -> Echoed:
        """Send so many. Raises Failure for what keeps it from beginning; what ends it later comes with the result."""
        latencies, total = Latencies(), 0
        stopped: BaseException | None = None
        limits = NetworkSettings.of(self._connection.settings)
        with (
            Network(self._connection, limits, notice=self._notice) as network,
            Network(self._connection, limits, notice=self._notice) as reading,
        ):
            for each in (network, reading):  # a broker answers in the order of requests: each has its own connection
                each.start()
                present(each, [self._topic])
            producer = Producer(network, self._settings, failed=self._not_sent)
            fetcher = Fetcher(reading, self._fetch)
            keys = [(self._topic, index) for index in reading.topology.topics[self._topic].leaders]
            fetcher.assign({key: row.offset for key, row in fetcher.offsets(dict.fromkeys(keys, LATEST)).items()})
            try:
                for index in range(count):
                    taken = self._echo(reading, producer, fetcher)
                    total += taken
                    latencies.add(taken / 1e6, 1)
                    self._told(index, taken)
            except (Failure, KeyboardInterrupt) as why:
                stopped = why
        return Echoed(latencies, total, stopped)

    def _echo(self, reading: Network, producer: Producer, fetcher: Fetcher) -> int:
        key, value, headers = self._made()
        began = time.monotonic_ns()
        producer.send(self._topic, key, value, headers)
        producer.flush()
        if self._failed:
            raise Failure(self._failed[0])
        deadline = reading.now_ms() + PATIENCE_MS
        found: list[Record] = []
        while not found:
            left = deadline - reading.now_ms()
            if left <= 0:
                raise Failure("poll() timed out before finding a result (timeout:[60000ms])")
            blocks, _ = fetcher.poll(left)
            found = [record for block in blocks for record in block.records()]
        taken = time.monotonic_ns() - began
        self._check(found, (key, value, tuple(headers)))
        return taken

    def _made(self) -> tuple[bytes | None, bytes, Headers]:
        shape = self._shape
        headers = [
            (
                self._letters(shape.header_key).decode(),
                self._letters(shape.header_value) if shape.header_value >= 0 else None,
            )
            for _ in range(shape.headers)
        ]
        return self._letters(shape.key) if shape.key else None, self._letters(shape.value), headers

    def _letters(self, size: int) -> bytes:
        return self._rng.randbytes(size).translate(_LETTERS)

    def _check(self, found: list[Record], sent: tuple[bytes | None, bytes, Headers]) -> None:
        first = found[0]
        if (first.key, first.value, first.headers) != sent:
            raise Failure("The record that was read is not the one that was sent", "Does anybody else write to it?")
        if len(found) > 1:
            raise Failure(f"Only one result was expected during this test. We found [{len(found)}]")

    def _not_sent(self, failed: Failed) -> None:
        self._failed += [why for _, _, why in failed.records]
