"""Clients of the replica world: idempotent producers and consumers, whose messages travel on the world's wire.

They write what they see into one history (tests/support/history.py). Each asks the leader of some metadata that it has
seen, and never of older metadata than it has gone by (KIP-320). One question is open at a time; a client that loses
patience asks again, and what the old question brings is not heard.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.fetching import read_one
from server.broker.partition import Partition
from server.handlers import list_offsets
from server.log.log import Origin
from server.model.errors import ErrorCode, Rejected
from server.records import batch
from server.records.build import build
from server.replication.sessions import Tracked
from server.wire.messages.fetch import FetchPartition, FetchRequest, PartitionData
from server.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

if TYPE_CHECKING:
    from tests.sim.replica_parts import Replica
    from tests.sim.replica_world import World

PLACE = "t-0"
PATIENCE = 0.15  # the chance that a client that waits asks again, whenever it is its turn
RENEWAL = 0.05  # the chance that a producer starts anew before a window
LATEST = -1


class Batch(NamedTuple):
    values: tuple[str, ...]
    base_sequence: int


class _Client:
    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self._seen = 0  # the metadata that it goes by
        self._question = 0
        self._waits = False

    def _target(self) -> "Replica":
        """The leader by the newest metadata that it has heard of, now and then of what it will hear of next."""
        world = self.world
        if world.rng.random() < 0.7:
            self._seen = world.rng.randint(self._seen, len(world.images) - 1)
        return world.replicas[world.leader_by(self._seen)]

    def _ask(self) -> int | None:
        """The number of a question, if it is time for one."""
        if self._waits and self.world.rng.random() > PATIENCE:
            return None
        self._question, self._waits = self._question + 1, True
        return self._question

    def _heard(self, question: int) -> bool:
        """Whether the answer to this question is waited for."""
        mine = self._waits and question == self._question
        if mine:
            self._waits = False
        return mine


class Writer(_Client):
    """Sends windows of batches in order, as one stream brings them, until each is acknowledged.

    Who leads by the newest metadata never refuses a window for its order, restarted or not: it knows a producer's last
    batches.
    """

    def __init__(self, world: "World", name: str, producer_id: int, width: int) -> None:
        super().__init__(world, name)
        self._producer_id, self._width = producer_id, width
        self._window: list[Batch] = []
        self._sequence = self._number = 0

    @property
    def idle(self) -> bool:
        return not self._window

    def act(self, *, may_begin: bool = True) -> None:
        if not self._window:
            if not may_begin:
                return
            self._begin()
        question = self._ask()
        if question is None:
            return
        target, window, lives = self._target(), tuple(self._window), self._producer_id
        self.world.send(self.name, target.node, lambda: self._arrive(target, question, window, lives))

    def renew(self) -> bool:
        """Go on as a new producer, as one does that starts anew; False: there is a window that has no answer."""
        if self._window:
            return False
        self._producer_id, self._sequence = self._producer_id + 100, 0
        return True

    def _begin(self) -> None:
        rng = self.world.rng
        if rng.random() < RENEWAL:
            self.renew()
        for _ in range(rng.randint(1, self._width)):
            count = rng.randint(1, 3)
            values = tuple(f"{self.name}.{self._number + n}" for n in range(count))
            self._window.append(Batch(values, self._sequence))
            self._number, self._sequence = self._number + count, self._sequence + count
            for value in values:
                self.world.note("invoke", "send", self.name, value=value)

    def _arrive(self, target: "Replica", question: int, window: tuple[Batch, ...], lives: int) -> None:
        """At the broker: append in order, up to the first batch that is refused."""
        partition = target.partition
        code = ErrorCode.NONE
        if partition is None:
            return
        current = self.world.leads_now(target)
        for row in window:
            try:
                done = partition.stage(self._data(row, lives), all_replicas=True, origin=Origin.CLIENT)
            except Rejected as e:
                code = e.code
                break
            answer = partial(self._done, target, row, done.base_offset, lives)
            target.acks.append((done.last_offset, partition.leader_epoch, answer))
        target.writes.flush()
        if code != ErrorCode.NONE:
            self.world.send(target.node, self.name, lambda: self._refused(question, code, lives, current=current))
        self.world.settle(target)

    def _data(self, row: Batch, producer_id: int) -> bytearray:
        records = [batch.Record(0, self.world.clock.timestamp_ms(), None, value.encode()) for value in row.values]
        return bytearray(build(records, producer_id=producer_id, producer_epoch=0, base_sequence=row.base_sequence))

    def _done(self, target: "Replica", row: Batch, base_offset: int, lives: int) -> None:
        """At the broker: the batch is committed, and the answer leaves."""

        def hear() -> None:
            if lives != self._producer_id or row not in self._window:
                return
            self._window.remove(row)
            self._waits = bool(self._window) and self._waits
            for at, value in enumerate(row.values, base_offset):
                self.world.note("ok", "send", self.name, value=value, offset=at)

        self.world.acked(target)
        self.world.send(target.node, self.name, hear)

    def _refused(self, question: int, code: ErrorCode, lives: int, *, current: bool) -> None:
        if not self._heard(question) or lives != self._producer_id:
            return
        if code in (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID) and current:
            raise AssertionError(f"forgotten-producer: {self.name} was told {code.name} by the one who leads")


class Reader(_Client):
    """Follows the partition from its start, and asks for its end."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self.position = 0

    def act(self) -> None:
        question = self._ask()
        if question is None:
            return
        target = self._target()
        if self.world.rng.random() < 0.6:
            at = self.position
            self.world.send(self.name, target.node, lambda: self._fetch(target, question, at))
        else:
            self.world.note("invoke", "end", self.name)
            self.world.send(self.name, target.node, lambda: self._find(target, question))

    def _fetch(self, target: "Replica", question: int, at: int) -> None:
        partition, world = target.partition, self.world
        if partition is None:
            return
        current, request = world.leads_now(target), FetchRequest(replica_id=-1, isolation_level=0)
        tracked = Tracked(
            "t", partition.topic_id, FetchPartition(0, -1, at, partition_max_bytes=world.rng.choice([1, 1000]))
        )
        try:
            row = read_one(partition, request, tracked, 1_000, True, None)
        except Rejected as e:
            row = PartitionData(0, e.code, -1, records=b"")
        row.records = bytes(cast(Any, row.records) or b"")
        world.send(target.node, self.name, lambda: self._take(question, at, row, current=current))

    def _take(self, question: int, at: int, row: PartitionData, *, current: bool) -> None:
        if not self._heard(question):
            return
        outside = row.error_code == ErrorCode.OFFSET_OUT_OF_RANGE and current
        assert not outside, f"out-of-range: {self.name} read up to {at}, and the one who leads has not got that"
        data = cast(bytes, row.records)
        rows: list[tuple[int, str]] = []
        for where, head in batch.headers(data):
            found = [(r.offset, bytes(r.value or b"").decode()) for r in batch.records(data, where) if r.offset >= at]
            rows += found
            self.position = max(self.position, head.next_offset)
        if rows:
            self.world.note("ok", "poll", self.name, rows=tuple(rows), start=at)

    def _find(self, target: "Replica", question: int) -> None:
        """ListOffsets, by its own handler."""
        if target.partition is None:
            return
        topic = ListOffsetsTopic("t", [ListOffsetsPartition(0, timestamp=LATEST)])
        answer = list_offsets.handle(
            cast(Broker, _Door(target.partition)),
            cast(Context, _Newest),
            ListOffsetsRequest(replica_id=-1, topics=[topic]),
        )
        row = answer.topics[0].partitions[0]

        def hear() -> None:
            if self._heard(question) and row.error_code == ErrorCode.NONE:
                self.world.note("ok", "end", self.name, offset=row.offset)

        self.world.send(target.node, self.name, hear)


class _Newest:
    api_version = 11


class _Door:
    """A broker, as far as ListOffsets looks into it."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition

    def partition(self, topic: str, index: int) -> Partition:
        return self._partition
