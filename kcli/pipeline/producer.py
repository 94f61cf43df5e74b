"""A pipelined producer: records go into batches, batches to the leaders of their partitions, several at a time.

One thread: the network moves only within `poll`, `flush`, and the `send` calls, which poll now and then. What becomes
of a batch is told by the callbacks `delivered` and `failed`. How order and retries work is in outbox.py.
"""

import random
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from kcli.errors import Failure, Refused, words
from kcli.pipeline import decoding, encoding, produce
from kcli.pipeline.encoding import Batch, Headers, Marked
from kcli.pipeline.identity import Identity
from kcli.pipeline.link import Link
from kcli.pipeline.network import FOREVER_MS, Network
from kcli.pipeline.outbox import NETWORK_EXCEPTION, STALE, Outbox, Outcome, Parcel
from kcli.pipeline.partitioner import Sticky, of_key
from kcli.pipeline.produce import Appended, Topic
from kcli.pipeline.settings import ProducerSettings
from kcli.pipeline.wire import NO_ID, PRODUCE, Reader

INVALID_TOPIC, TOPIC_AUTHORIZATION_FAILED = 17, 29
FULL = 7 / 8
SELDOM = 64  # settled batches between two looks at the network that nothing calls for
EXPIRE_MS = 50.0  # how exactly the delivery time-out is kept
PATIENCE_MS = 1_000  # how long an unknown topic is waited for without a word
PARTLY_INVALID = "Failed to append record because it was part of a batch which had one more more invalid records"


class Failed(NamedTuple):
    """Records that are not in the log as far as anybody knows: (key, value, why) each."""

    topic: str
    partition: int
    records: Sequence[tuple[bytes | None, bytes | None, str]]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Producer:
    """`network` has to be started; it may serve others beside."""

    def __init__(
        self,
        network: Network,
        settings: ProducerSettings,
        *,
        failed: Callable[[Failed], None],
        delivered: Callable[[str, int, Batch], None] = lambda topic, partition, batch: None,
        timestamp_ms: Callable[[], int] = _now_ms,
        rng: random.Random | None = None,
    ) -> None:
        self._network, self._settings = network, settings
        self._failed, self._delivered, self._timestamp_ms = failed, delivered, timestamp_ms
        self._rng = rng or random.Random()
        self._outboxes: dict[tuple[str, int], Outbox] = {}
        self._active: dict[Outbox, None] = {}  # those with anything in them, in the order of their last turn
        self._sticky: dict[str, Sticky] = {}
        self._available: dict[str, tuple[float, int, list[int]]] = {}
        self._in_flight: dict[int, int] = {}
        self._flushing = False
        self._settled = 0
        self._expire_ms = 0.0
        self._identity = Identity(network, settings)

    @property
    def pending(self) -> bool:
        """Whether anything still waits to be sent or answered."""
        return bool(self._active)

    # --- sending

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has; waits until that is known. Raises Failure."""
        return self._topic(topic)[0]

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        mark: object = None,
        index: int = 0,
    ) -> None:
        """Take a record. What it waits for is room in the buffer. Raises Failure: unknown topic, no room in time.

        mark   comes back with the record's batch, when it is delivered
        index  of the record among those that have this mark
        """
        count, available = self._topic(topic)
        size = encoding.upper_bound(key, value, headers)
        if self._refuse_large(topic, partition or 0, size, key, value):
            return
        sticky: Sticky | None = None
        if partition is None:
            if key is not None and not self._settings.ignore_keys:
                partition = of_key(key, count)
            else:
                sticky = self._sticky_of(topic)
                partition = sticky.partition(available)
        outbox = self._outbox(topic, partition)
        now, when = self._network.now_ms(), self._timestamp_ms() if timestamp_ms is None else timestamp_ms
        batch = outbox.batch(now, when)
        if batch.count and batch.size + size - encoding.HEADER_SIZE > self._settings.batch_size:
            self._settle(outbox)
            batch = self._outbox(topic, partition).batch(now, when)
        batch.add(key, value, headers, when)
        if mark is not None:
            batch.marks.append(Marked(mark, index, 1))
        if sticky:
            sticky.added(size - encoding.HEADER_SIZE)

    def send_values(self, topic: str, values: Sequence[bytes], *, mark: object = None) -> None:
        """Take many records that are nothing but values: the fast way."""
        sizes = list(map(len, values))
        largest = max(sizes, default=0)
        if largest + 128 > min(self._settings.max_request, self._settings.buffer_memory):
            for index, value in enumerate(values):
                self.send(topic, None, value, mark=mark, index=index)
            return
        sticky, when, at = self._sticky_of(topic), self._timestamp_ms(), 0
        # No batch of these is older than its delivery time-out, which bounds the difference of their times.
        overhead = encoding.value_overhead(largest, self._settings.delivery_ms)
        ends = list(accumulate([size + overhead for size in sizes]))
        while at < len(values):
            _, available = self._topic(topic)
            outbox = self._outbox(topic, sticky.partition(available))
            batch = outbox.batch(self._network.now_ms(), when)
            before = ends[at - 1] if at else 0
            stop = bisect_right(ends, before + self._settings.batch_size - batch.size, at)
            if stop == at:
                if batch.count:
                    self._settle(outbox)
                    sticky.leave()
                    continue
                stop = at + 1  # larger than a batch: it has one of its own
            batch.add_values(values[at:stop], sizes[at:stop], when)
            if mark is not None:
                batch.marks.append(Marked(mark, at, stop - at))
            sticky.added(ends[stop - 1] - before)
            at = stop
            if at < len(values) and batch.size > self._settings.batch_size * FULL:
                self._settle(outbox)  # what is left would take few records, and each round costs
                sticky.leave()

    def _settle(self, outbox: Outbox) -> None:
        """Close a full batch, send it if it may go, and wait while the buffer is full."""
        outbox.close()
        self._settled += 1
        self._pump((outbox,))
        self._network.flush()
        if self._settled % SELDOM and outbox.idle(self._network.now_ms()):
            return  # it has gone: what comes back is looked at when the next one cannot go, and now and then
        self.poll(0)
        deadline = self._network.now_ms() + self._settings.max_block_ms
        while sum(outbox.held for outbox in self._active) > self._settings.buffer_memory:
            left = deadline - self._network.now_ms()
            if left <= 0:
                raise Failure(
                    f"Failed to allocate {self._settings.batch_size} bytes within the configured max blocking time "
                    f"{self._settings.max_block_ms} ms. Total memory: {self._settings.buffer_memory} bytes."
                )
            self.poll(left)

    def _refuse_large(self, topic: str, partition: int, size: int, key: bytes | None, value: bytes | None) -> bool:
        limits = {"max.request.size": self._settings.max_request, "buffer.memory": self._settings.buffer_memory}
        for name, limit in limits.items():
            if size > limit:
                why = (
                    f"The message is {size} bytes when serialized which is larger than {limit}, "
                    f"which is the value of the {name} configuration."
                )
                self._failed(Failed(topic, partition, [(key, value, why)]))
                return True
        return False

    def _topic(self, name: str) -> tuple[int, list[int]]:
        """How many partitions a topic has, and those with a leader (all, if none has one)."""
        known = self._available.get(name)
        if known is None or known[0] != self._network.metadata_at:
            self._wait_for(name)
            leaders = self._network.topology.topics[name].leaders
            led = [index for index in leaders if self._network.topology.leader(name, index)]
            known = self._available[name] = self._network.metadata_at, len(leaders), sorted(led or leaders)
        return known[1], known[2]

    def _wait_for(self, name: str) -> None:
        topics = self._network.topology.topics
        if name in topics and topics[name].leaders:
            return
        began = self._network.now_ms()
        told = False
        self._network.want({name, *self._available}, create=True)
        while name not in topics or not topics[name].leaders:
            error = topics[name].error if name in topics else 0
            if error == INVALID_TOPIC:
                raise Refused(error, f"Invalid topics: [{name}]")
            if error == TOPIC_AUTHORIZATION_FAILED:
                raise Refused(error, f"Not authorized to access topics: [{name}]")
            waited = self._network.now_ms() - began
            if waited >= self._settings.max_block_ms:
                raise Failure(f"Topic {name} not present in metadata after {self._settings.max_block_ms} ms.")
            if waited > PATIENCE_MS and error and not told:
                told = True
                self._network.notice(f"Topic {name} is not there yet ({words(error).rstrip('.')}); waiting for it")
            self._network.refresh()
            self._network.poll(min(self._settings.max_block_ms - waited, PATIENCE_MS))
            topics = self._network.topology.topics

    def _sticky_of(self, topic: str) -> Sticky:
        if topic not in self._sticky:
            self._sticky[topic] = Sticky(self._settings.batch_size, self._rng)
        return self._sticky[topic]

    def _outbox(self, topic: str, partition: int) -> Outbox:
        found = self._outboxes.get((topic, partition))
        if found is None:
            found = self._outboxes[topic, partition] = Outbox(topic, partition, self._settings)
        self._active.setdefault(found)
        return found

    # --- moving

    def poll(self, timeout_ms: float) -> set[int]:
        """Send what is due, wait for answers; returns the watched files of the network that are ready."""
        self._pump()
        if self._flushing and not self._active:
            # Without acknowledgements nothing comes back that could end the wait for it.
            self._network.flush()
            if not self._network.unsent:
                return set()
        waits = timeout_ms > 0
        if waits:
            now = self._network.now_ms()
            moments = [moment for outbox in self._active for moment in outbox.moments()]
            moments.append(self._identity.next_ms)
            later = [moment - now for moment in moments if moment > now]
            timeout_ms = max(0.0, min([timeout_ms, *later]))
        ready = self._network.poll(timeout_ms)
        if waits or self._network.now_ms() >= self._expire_ms:  # not at each of thousands of looks a second
            self._expire()
        return ready

    def flush(self) -> None:
        """Send everything and wait until it is answered."""
        self._flushing = True
        try:
            while self._active or self._network.unsent:
                self.poll(FOREVER_MS)
        finally:
            self._flushing = False

    def _expire(self) -> None:
        now = self._network.now_ms()
        self._expire_ms = now + EXPIRE_MS
        for outbox in list(self._active):
            for parcel in outbox.expire(now):
                waited = round(now - parcel.created_ms)
                self._give_up(
                    outbox,
                    parcel,
                    f"Expiring {parcel.batch.count} record(s) for {outbox.topic}-{outbox.partition}:"
                    f"{waited} ms has passed since batch creation",
                )
            if outbox.empty:
                self._active.pop(outbox, None)

    def _pump(self, among: Sequence[Outbox] = ()) -> None:
        """Hand every link what it may take now: of these outboxes, or of all."""
        if self._settings.idempotence and self._identity.told is None and self._active:
            self._identity.ask()
        now, topology = self._network.now_ms(), self._network.topology
        moved = True
        while moved:
            requests: dict[int, list[tuple[Outbox, Parcel]]] = {}
            sizes: dict[int, int] = {}
            for outbox in among or list(self._active):
                if outbox.idle(now, flush=self._flushing):
                    continue
                leader = topology.leader(outbox.topic, outbox.partition)
                if leader is None:
                    self._network.refresh()
                    continue
                link = self._network.link(leader.node)
                if link is None or not self._takes(leader.node, link) or not self._named(outbox):
                    continue
                if sizes.get(leader.node, 0) >= self._settings.max_request // 2:
                    continue
                parcel = outbox.take(now, flush=self._flushing)
                if parcel:
                    self._active[outbox] = self._active.pop(outbox)
                    requests.setdefault(leader.node, []).append((outbox, parcel))
                    sizes[leader.node] = sizes.get(leader.node, 0) + parcel.batch.size
            for node, rows in requests.items():
                self._request(node, rows, now)
            moved = bool(requests)

    def _takes(self, node: int, link: Link) -> bool:
        # Without acknowledgements, what the socket takes is the only measure of what the broker takes.
        return not link.unsent if self._settings.acks == 0 else self._in_flight.get(node, 0) < self._settings.in_flight

    def _named(self, outbox: Outbox) -> bool:
        """Give an outbox a producer id where it needs one."""
        told = self._identity.told
        if outbox.needs_id and told:
            if told.id == outbox.producer_id:  # used up
                self._identity.told = None
                self._identity.ask()
                return False
            outbox.renew(told.id, told.epoch)
        return not outbox.needs_id

    def _request(self, node: int, rows: list[tuple[Outbox, Parcel]], now: float) -> None:
        link = self._network.link(node)
        assert link, "it was there when the batches were taken"
        if len(rows) == 1 and self._settings.acks:
            self._request_one(node, link, *rows[0], now)
            return
        payload: dict[Topic, list[tuple[int, produce.Batch]]] = {}
        for outbox, parcel in rows:
            topic = self._network.topology.topics[outbox.topic].topic
            assert parcel.number, "a batch is numbered when it is taken"
            payload.setdefault(topic, []).append((outbox.partition, parcel.batch.pieces(parcel.number)))
        version = link.version(PRODUCE)
        if any(topic.id == NO_ID for topic in payload):
            version = min(version, produce.BY_ID - 1)
        body = produce.request(version, self._settings.acks, self._settings.request_timeout_ms, payload)
        if self._settings.acks == 0:
            link.request(PRODUCE, version, body, 0, None)
            self._answered(rows, {outbox.key: _SENT for outbox, _ in rows})
            return
        names = {topic.id: topic.name for topic in payload}
        self._in_flight[node] = self._in_flight.get(node, 0) + 1

        def answered(answer: Reader | None) -> None:
            self._in_flight[node] -= 1
            self._answered(rows, produce.response(answer, version, names) if answer else {})
            self._pump()

        link.request(PRODUCE, version, body, now + self._settings.request_timeout_ms, answered)

    def _request_one(self, node: int, link: Link, outbox: Outbox, parcel: Parcel, now: float) -> None:
        """The same for one batch, without what several take."""
        topic, index = self._network.topology.topics[outbox.topic].topic, outbox.partition
        assert parcel.number, "a batch is numbered when it is taken"
        version = link.version(PRODUCE)
        if topic.id == NO_ID:
            version = min(version, produce.BY_ID - 1)
        limit, pieces = self._settings.request_timeout_ms, parcel.batch.pieces(parcel.number)
        body = produce.single(version, self._settings.acks, limit, topic, index, pieces)
        self._in_flight[node] = self._in_flight.get(node, 0) + 1

        def answered(answer: Reader | None) -> None:
            self._in_flight[node] -= 1
            if answer and produce.succeeded(answer, version, topic, index):
                told = {(outbox.topic, index): _SENT}
            else:
                told = produce.response(answer, version, {topic.id: topic.name}) if answer else {}
            self._answered([(outbox, parcel)], told)
            self._pump()

        link.request(PRODUCE, version, body, now + limit, answered)

    def _answered(self, rows: Sequence[tuple[Outbox, Parcel]], told: Mapping[tuple[str, int], Appended]) -> None:
        now = self._network.now_ms()
        for outbox, parcel in rows:
            row = told.get(outbox.key, _LOST)
            if row.error in STALE:
                self._network.refresh()
            outcome = outbox.answered(parcel, row.error, now)
            if outcome is Outcome.DELIVERED:
                self._delivered(outbox.topic, outbox.partition, parcel.batch)
            elif outcome is Outcome.FAILED:
                self._give_up(outbox, parcel, row.message or words(row.error), row.record_errors)
            if outbox.empty:
                self._active.pop(outbox, None)

    def _give_up(self, outbox: Outbox, parcel: Parcel, why: str, single: Sequence[tuple[int, str | None]] = ()) -> None:
        reasons = {index: message or why for index, message in single}
        otherwise = PARTLY_INVALID if single else why
        rows = [
            (record.key, record.value, reasons.get(index, otherwise))
            for index, record in enumerate(decoding.whole(parcel.batch))
        ]
        self._failed(Failed(outbox.topic, outbox.partition, rows))


_SENT = Appended(0, -1, None, ())
_LOST = Appended(NETWORK_EXCEPTION, -1, None, ())
