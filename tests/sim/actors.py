"""The clients of a simulated world: what they do, and the events that they write down (tests/support/history.py)."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple

from server.model.errors import ErrorCode
from server.model.ids import TopicId
from server.records import batch, build
from server.wire.messages import fetch, init_producer_id, list_offsets, produce
from tests.sim.client import FETCH, INIT_PRODUCER_ID, LIST_OFFSETS, PRODUCE, Broken, Client
from tests.sim.doors import BIRTH_MS
from tests.support.history import Event

LATEST, EARLIEST = -1, -2
RETRY_S = (0.01, 0.5)
THINK_S = (0, 0.6)
ALL = -1
# The broker may have lost what it knew of a producer, and only with its unsynced files.
FORGOTTEN = {
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.UNKNOWN_PRODUCER_ID,
    ErrorCode.INVALID_PRODUCER_EPOCH,
}
LATER = {
    ErrorCode.NOT_LEADER_OR_FOLLOWER,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.UNKNOWN_TOPIC_ID,
    ErrorCode.LEADER_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.KAFKA_STORAGE_ERROR,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode.OFFSET_NOT_AVAILABLE,
}
OTHER_EPOCH = {ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH}
SESSION_LOST = {ErrorCode.FETCH_SESSION_ID_NOT_FOUND, ErrorCode.INVALID_FETCH_SESSION_EPOCH}


@dataclass
class Scene:
    """What all clients of a world share. `power_cuts` counts how often the broker may have forgotten things."""

    rng: Random
    new_client: Callable[[], Client]
    topic_id: Callable[[str], TopicId]
    events: list[Event] = field(default_factory=list)
    power_cuts: int = 0
    stopping: bool = False

    def note(
        self, kind: Literal["invoke", "ok", "fail", "info"], operation: Any, client: str, where: str, **fields: Any
    ) -> None:
        now_ns = round(asyncio.get_running_loop().time() * 1e9)
        # Two events of one instant keep their order: the checker sorts by time.
        last_ns = self.events[-1].time_ns if self.events else -1
        self.events.append(Event(kind, operation, max(now_ns, last_ns + 1), client, where, **fields))

    async def pause(self, seconds: tuple[float, float] = RETRY_S) -> None:
        await asyncio.sleep(self.rng.uniform(*seconds))


@dataclass(frozen=True, order=True)
class Place:
    topic: str
    index: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"


class Batch(NamedTuple):
    values: list[str]
    data: bytes


class Producer:
    """Sends windows of batches, and sends a window again until each batch has an answer."""

    def __init__(self, scene: Scene, name: str, place: Place) -> None:
        self._scene, self._name, self._place = scene, name, place
        self._client = scene.new_client()
        self._idempotent = scene.rng.random() < 0.8
        self._producer_id, self._epoch, self._sequence, self._number = -1, -1, 0, 0

    async def run(self) -> None:
        rng = self._scene.rng
        while not self._scene.stopping:
            if self._idempotent and self._producer_id < 0:
                await self._begin()
            await self._send([self._values() for _ in range(rng.randint(1, 4))])
            if rng.random() < 0.05:
                self._client.disconnect()
            await self._scene.pause(THINK_S)

    def _values(self) -> list[str]:
        count = self._scene.rng.randint(1, 5)
        self._number += count
        size = self._scene.rng.choice([0, 10, 1000])
        return [f"{self._name}.{number}" + "." * size for number in range(self._number - count, self._number)]

    async def _begin(self) -> None:
        request = init_producer_id.InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
        while True:
            try:
                answer = await self._client.call(INIT_PRODUCER_ID, request)
            except Broken:
                await self._scene.pause()
                continue
            if answer.error_code == ErrorCode.NONE:
                self._producer_id, self._epoch, self._sequence = answer.producer_id, answer.producer_epoch, 0
                return
            await self._scene.pause()

    async def _send(self, window: list[list[str]]) -> None:
        waiting = []
        for values in window:
            for value in values:
                self._scene.note("invoke", "send", self._name, str(self._place), value=value)
            waiting.append(Batch(values, self._batch(values)))
            self._sequence += len(values) if self._idempotent else 0
        while waiting:
            settled: set[int] = set()
            await self._client.calls(
                PRODUCE, [(self._request(row.data), self._hears(row, waiting, settled)) for row in waiting]
            )
            waiting = [row for row in waiting if id(row) not in settled]
            # A second copy without a producer id is a second record, and a broker that forgot us cannot tell it either.
            if waiting and self._producer_id < 0:
                for row in waiting:
                    self._answered("info", row.values)
                return
            if waiting:
                await self._scene.pause()

    def _hears(self, row: "Batch", window: "list[Batch]", settled: set[int]) -> Callable[[Any], None]:
        def heard(answer: produce.ProduceResponse) -> None:
            first = all(id(each) in settled for each in window[: window.index(row)])
            if self._settled(row.values, answer, first=first):
                settled.add(id(row))

        return heard

    def _settled(self, values: list[str], answer: produce.ProduceResponse, *, first: bool) -> bool:
        """first: all batches before this one are settled, so that it is not out of order for being early."""
        (topic,) = answer.responses
        (row,) = topic.partition_responses
        code = ErrorCode(row.error_code)
        if code == ErrorCode.NONE:
            self._answered("ok", values, row.base_offset)
            return True
        if code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER and not first:
            return False
        if code in FORGOTTEN:
            assert self._scene.power_cuts, f"{self._name} was told {code.name}, and no power was cut"
            self._producer_id = -1
            return False
        if code == ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
            self._answered("info", values)
            return True
        assert code in LATER, f"{self._name} was told {code.name}: {row.error_message}"
        return False

    def _answered(self, kind: Literal["ok", "info"], values: list[str], offset: int = -1) -> None:
        for number, value in enumerate(values):
            where = offset + number if offset >= 0 else -1
            self._scene.note(kind, "send", self._name, str(self._place), value=value, offset=where)

    def _batch(self, values: list[str]) -> bytes:
        now_ms = BIRTH_MS + int(asyncio.get_running_loop().time() * 1000)
        rows = [batch.Record(0, now_ms, None, value.encode()) for value in values]
        codec = self._scene.rng.choice([0, 0, 1, 2, 3, 4])
        if not self._idempotent:
            return build.build(rows, codec=codec)
        return build.build(
            rows, codec=codec, producer_id=self._producer_id, producer_epoch=self._epoch, base_sequence=self._sequence
        )

    def _request(self, data: bytes) -> produce.ProduceRequest:
        rows = [produce.PartitionProduceData(self._place.index, data)]
        topic = produce.TopicProduceData(self._place.topic, self._scene.topic_id(self._place.topic), rows)
        return produce.ProduceRequest(acks=ALL, timeout_ms=5000, topic_data=[topic])


class Consumer:
    """Reads one partition from its start to its end and on, with a fetch session or without."""

    def __init__(self, scene: Scene, name: str, place: Place) -> None:
        self._scene, self._name, self._place = scene, name, place
        self._client = scene.new_client()
        self._sessions = scene.rng.random() < 0.5
        self._session, self._session_epoch = 0, 0
        self.position = 0
        self._seek = True  # the next rows need not follow the last ones
        self._lost = self._outside = False

    async def run(self) -> None:
        while not self._scene.stopping:
            await self.poll()
            if self._scene.rng.random() < 0.02:
                self._client.disconnect()
            if self._scene.rng.random() < 0.2:
                await self._ask_end()

    async def poll(self, max_wait_ms: int = 500) -> None:
        self._lost = False
        try:
            await self._client.call(FETCH, self._request(max_wait_ms), self._heard)
        except Broken:
            self._lost = True
        if self._lost:
            self._session = self._session_epoch = 0
            await self._scene.pause()
        if self._outside:
            self.position = await end_of(self._scene, self._client, self._place, EARLIEST)
            self._outside, self._seek = False, True

    async def read_to(self, end: int) -> None:
        self._sessions = False
        while self.position < end:
            await self.poll()

    def _heard(self, answer: fetch.FetchResponse) -> None:
        if ErrorCode(answer.error_code) in SESSION_LOST:
            self._lost = True
            return
        assert answer.error_code == ErrorCode.NONE, ErrorCode(answer.error_code).name
        if self._sessions:
            self._session = answer.session_id
            self._session_epoch = self._session_epoch + 1 if answer.session_id else 0
        for topic in answer.responses:
            for row in topic.partitions:
                self._take(row)

    def _take(self, row: fetch.PartitionData) -> None:
        code = ErrorCode(row.error_code)
        if code == ErrorCode.OFFSET_OUT_OF_RANGE:
            assert self._scene.power_cuts, f"{self._name} at {self.position} is out of range, and no power was cut"
            self._outside = True
            return
        if code != ErrorCode.NONE:
            assert code in LATER | OTHER_EPOCH, f"{self._name} was told {code.name}"
            self._lost = True
            return
        data = row.records if isinstance(row.records, bytes | bytearray | memoryview) else b"".join(row.records or ())
        rows: list[tuple[int, str]] = []
        for at, head in batch.headers(data):
            found = () if head.is_control else batch.records(data, at)
            rows += [(r.offset, bytes(r.value or b"").decode()) for r in found if r.offset >= self.position]
            self.position = max(self.position, head.next_offset)
        if rows:
            start = rows[0][0] if self._seek else -1
            self._scene.note("ok", "poll", self._name, str(self._place), rows=tuple(rows), start=start)
            self._seek = False

    async def _ask_end(self) -> None:
        where = str(self._place)

        def heard(offset: int) -> None:
            self._scene.note("ok", "end", self._name, where, offset=offset)

        self._scene.note("invoke", "end", self._name, where)
        with contextlib.suppress(Broken):
            await asked(self._client, self._place, LATEST, heard)

    def _request(self, max_wait_ms: int) -> fetch.FetchRequest:
        """It names the leader epoch that it goes by, as consumers do: a follower that lags does not know the offset."""
        max_bytes = self._scene.rng.choice([1, 1000, 100_000])
        rows = [
            fetch.FetchPartition(
                self._place.index,
                current_leader_epoch=self._client.metadata_epoch,
                fetch_offset=self.position,
                partition_max_bytes=max_bytes,
            )
        ]
        topic = fetch.FetchTopic(self._place.topic, self._scene.topic_id(self._place.topic), rows)
        return fetch.FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=1_000_000,
            session_id=self._session,
            session_epoch=self._session_epoch if self._sessions else -1,
            topics=[topic],
        )


async def asked(client: Client, place: Place, timestamp: int, heard: Callable[[int], None]) -> None:
    """Ask once for an offset; `heard` is told it, if the broker can say. Raises Broken.

    Names the leader epoch that the client knows: a leader that was deposed, and cannot know it, must not answer.
    """
    key = place.topic, place.index
    known = client.leader_epochs.get(key, -1)
    rows = [list_offsets.ListOffsetsPartition(place.index, known, timestamp)]
    topic = list_offsets.ListOffsetsTopic(place.topic, rows)

    def answered(answer: list_offsets.ListOffsetsResponse) -> None:
        row = answer.topics[0].partitions[0]
        code = ErrorCode(row.error_code)
        if code == ErrorCode.FENCED_LEADER_EPOCH:
            client.leader_epochs[key] = known + 1  # there is a later one; the metadata would say which
            return
        assert code in (ErrorCode.NONE, ErrorCode.UNKNOWN_LEADER_EPOCH) or code in LATER, code.name
        if code == ErrorCode.NONE:
            client.leader_epochs[key] = max(known, row.leader_epoch)
            heard(row.offset)

    request = list_offsets.ListOffsetsRequest(replica_id=-1, topics=[topic], timeout_ms=5000)
    await client.call(LIST_OFFSETS, request, answered)


async def end_of(scene: Scene, client: Client, place: Place, timestamp: int) -> int:
    """Ask until the broker says."""
    told: list[int] = []
    while not told:
        with contextlib.suppress(Broken):
            await asked(client, place, timestamp, told.append)
        if not told:
            await scene.pause()
    return told[0]
