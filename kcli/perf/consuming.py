"""One process that reads records and counts them: how many there are, and the bytes of their keys and values.

Partitions are read directly, or as a member of a group, which is then told of what was counted. Every batch is checked
against its CRC and every record is walked, but none is made into an object.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from kcli.errors import Failure
from kcli.model.measures import Window
from kcli.pipeline.checksum import crc32c
from kcli.pipeline.decoding import Block, Corrupt
from kcli.pipeline.fetcher import Fetcher
from kcli.pipeline.membership_pump import Membership
from kcli.pipeline.messages import EARLIEST, LATEST
from kcli.pipeline.network import Network
from kcli.pipeline.settings import FetchSettings, GroupSettings, NetworkSettings
from kcli.pipeline.stopping import Hold
from kcli.pipeline.subscription import Subscription, Wanted
from kcli.pipeline.tally import tally
from kcli.properties import Connection

MAX_WAIT_MS = 500.0


class Task(NamedTuple):
    """What to read; `timeout_ms` is the longest wait between records."""

    wanted: Wanted
    records: int
    timeout_ms: float
    interval_ms: float
    latest: bool = False
    group: GroupSettings | None = None


class Consumed(NamedTuple):
    """What was read. `joined_ms` passed until partitions were known, of `elapsed_ms` in all; `late`: time ran out."""

    records: int
    bytes: int
    batches: int
    elapsed_ms: float
    joined_ms: float
    windows: list[Window]
    late: bool
    stopped: BaseException | None


class Run:
    """One run. `told` hears of each interval, with the records and bytes so far and what joining took of it."""

    def __init__(
        self,
        task: Task,
        connection: Connection,
        settings: FetchSettings,
        *,
        told: Callable[[Window, int, int, int], None],
        notice: Callable[[str], None],
        moved: Callable[[int, int, float], None],
    ) -> None:
        self._task, self._connection, self._settings = task, connection, settings
        self._told, self._notice, self._moved = told, notice, moved
        self._records = self._bytes = self._batches = 0
        self._joined_ms = self._joined_told_ms = 0.0
        self._windows: list[Window] = []

    def all(self) -> Consumed:
        """Do it. Raises Failure for what keeps it from beginning; what ends it later comes with the result."""
        stopped: BaseException | None = None
        late = False
        limits = NetworkSettings.of(self._connection.settings)
        with Network(self._connection, limits, notice=self._notice) as self._network:
            self._network.start()
            crc32c(b"")  # what it takes to be there is not what is measured
            self._began = self._turned = self._network.now_ms()
            self._before = (0, 0)
            try:
                late = self._read()
            except (Failure, KeyboardInterrupt) as why:
                stopped = why
            elapsed = self._network.now_ms() - self._began
        self._windows.append(self._window(self._began + elapsed))
        return Consumed(
            self._records, self._bytes, self._batches, elapsed, self._joined_ms, self._windows, late, stopped
        )

    def _read(self) -> bool:
        """Read until there is enough, or too long nothing; whether it was that."""
        network, task = self._network, self._task
        fetcher = Fetcher(network, self._settings)
        if task.group is None:
            start: int = LATEST if task.latest else EARLIEST
            return self._read_of(
                fetcher, Subscription(network, fetcher, task.wanted, lambda k: dict.fromkeys(k, start))
            )
        with Hold(network.wake) as hold:
            member = Membership(network, fetcher, task.wanted, task.group)
            try:
                return self._read_of(fetcher, member, hold)
            finally:
                member.leave()

    def _read_of(self, fetcher: Fetcher, found: Subscription | Membership, hold: Hold | None = None) -> bool:
        network, task = self._network, self._task
        deadline = network.now_ms() + task.timeout_ms
        while self._records < task.records:
            if hold:
                hold.check()
            found.discover()
            if found.seen and not self._joined_ms:
                self._joined_ms = network.now_ms() - self._began
            wait = min(deadline - network.now_ms(), found.wait_ms, MAX_WAIT_MS)
            blocks, _ = fetcher.poll(max(wait, 0))
            now = network.now_ms()
            for block in blocks:
                self._count(block)
                if now - self._turned >= task.interval_ms:
                    self._turn(now)
            if isinstance(found, Membership):
                found.settled()
            if blocks:
                deadline = network.now_ms() + task.timeout_ms
                self._moved(self._records, self._bytes, now - self._began)
            elif now >= deadline:
                return True
        return False

    def _count(self, block: Block) -> None:
        head = block.head
        try:
            if block.start > head.base_offset:  # the first batch, from its middle on
                records = block.records()
                self._records += len(records)
                self._bytes += sum(len(record.key or b"") + len(record.value or b"") for record in records)
            else:
                self._bytes += tally(block.plain(), head.count)
                self._records += head.count
        except IndexError as error:
            raise Corrupt(f"{block.named} has a record that cannot be read") from error
        self._batches += 1

    def _window(self, now: float) -> Window:
        records, size = self._before
        began = self._turned - self._began
        return Window(began, now - self._turned, self._records - records, self._bytes - size, 0.0, 0.0)

    def _turn(self, now: float) -> None:
        window = self._window(now)
        self._windows.append(window)
        joined = int(self._joined_ms - self._joined_told_ms)
        self._joined_told_ms = self._joined_ms
        self._told(window, self._records, self._bytes, joined)
        self._turned, self._before = now, (self._records, self._bytes)


def metrics(run: Consumed, client_id: str) -> Mapping[str, float | str]:
    """What the consumer counted, under the names of Kafka's metrics."""
    tag, elapsed_s = f"{{client-id={client_id}}}", run.elapsed_ms / 1000
    rows = {
        "bytes-consumed-rate": run.bytes / elapsed_s if elapsed_s else 0.0,
        "bytes-consumed-total": float(run.bytes),
        "records-consumed-rate": run.records / elapsed_s if elapsed_s else 0.0,
        "records-consumed-total": float(run.records),
    }
    return {f"consumer-fetch-manager-metrics:{name}:{tag}": value for name, value in rows.items()}
