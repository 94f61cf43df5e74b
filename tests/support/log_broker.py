"""A small cluster for clients under test: real sockets, partitions in memory, troubles on demand.

Each node is a ScriptedBroker; all share the partitions, so that any of them can become a leader. `troubles` are taken
one for each Produce request, in order; each says what happens to it:

    None            nothing: it is answered
    an error code   every batch is refused with it
    DROP            the connection ends before anything is appended
    LOSE            the batches are appended, then the connection ends
    MOVE            another node has become the leader: NOT_LEADER_OR_FOLLOWER
    FORGET          the broker has forgotten all producers, then goes on
    STALL           nothing comes back, although the connection stands
"""

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from server.records import batch
from server.wire.messages.fetch import FetchableTopicResponse, FetchRequest, FetchResponse, PartitionData
from server.wire.messages.init_producer_id import InitProducerIdResponse
from server.wire.messages.list_offsets import (
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from server.wire.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from server.wire.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from tests.support.partition_log import PartitionLog
from tests.support.scripted import HANG_UP, SILENCE, ScriptedBroker

DROP, LOSE, MOVE, FORGET, STALL = "drop", "lose", "move", "forget", "stall"
OUT_OF_RANGE, UNKNOWN_TOPIC, NOT_LEADER, MESSAGE_TOO_LARGE, INVALID_TOPIC = 1, 3, 6, 10, 17
EARLIEST, LATEST = -2, -1


class LogCluster:
    """Use as a context manager. `topics`: name -> number of partitions."""

    def __init__(
        self,
        topics: dict[str, int],
        *,
        nodes: int = 1,
        troubles: Iterable[Any] = (),
        max_message_bytes: int = 1 << 20,
        versions: dict[str, tuple[int, int]] | None = None,
        auto_create: bool = False,
    ) -> None:
        self.lock = threading.Lock()
        self.ids = {name: UUID(int=number + 1) for number, name in enumerate(topics)}
        self.logs = {(name, index): PartitionLog() for name, count in topics.items() for index in range(count)}
        self.leaders = {key: number % nodes for number, key in enumerate(self.logs)}
        self.epochs = dict.fromkeys(self.logs, 0)
        self.log_start = dict.fromkeys(self.logs, 0)
        self.ends: dict[tuple[str, int], int] = {}  # told in place of the real end
        self.aborted: dict[tuple[str, int], tuple[Any, ...]] = {}
        self.troubles = list(troubles)
        self.produce_requests = 0
        self._producer_ids = count(7)
        self.fetch_error: dict[tuple[str, int], list[int]] = {}
        self._max_message_bytes, self._auto_create = max_message_bytes, auto_create
        self.nodes = [ScriptedBroker(self._answers(node), versions) for node in range(nodes)]
        self.advertised = [node.address for node in self.nodes]  # what metadata says of them
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for node in self.nodes:
            self._open.enter_context(node)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    @property
    def bootstrap(self) -> str:
        host, port = self.nodes[0].address
        return f"{host}:{port}"

    def values(self, topic: str = "t") -> list[bytes | None]:
        """The values of all partitions of a topic."""
        return [value for (name, _), log in self.logs.items() if name == topic for value in log.values()]

    def move(self) -> None:
        """Let every partition have its leader on the next node."""
        for key in self.leaders:
            self.leaders[key] = (self.leaders[key] + 1) % len(self.nodes)
            self.epochs[key] += 1

    def add_topic(self, name: str, partitions: int) -> None:
        self.ids[name] = UUID(int=len(self.ids) + 1)
        for index in range(partitions):
            self.logs[name, index], self.leaders[name, index] = PartitionLog(), 0
            self.epochs[name, index] = self.log_start[name, index] = 0

    def _answers(self, node: int) -> dict[str, Any]:
        handlers = {
            "Metadata": self._metadata,
            "Produce": lambda request: self._produce(node, request),
            "Fetch": lambda request: self._fetch(node, request),
            "ListOffsets": lambda request: self._list_offsets(node, request),
            "InitProducerId": lambda request: InitProducerIdResponse(
                producer_id=next(self._producer_ids), producer_epoch=0
            ),
        }

        def locked(handler: Any) -> Any:
            def handle(request: Any) -> Any:
                with self.lock:
                    return handler(request)

            return handle

        return {name: locked(handler) for name, handler in handlers.items()}

    def _metadata(self, request: MetadataRequest) -> MetadataResponse:
        names = sorted(self.ids) if request.topics is None else [topic.name or "" for topic in request.topics]
        if self._auto_create and request.allow_auto_topic_creation:
            for name in set(names) - set(self.ids):
                if " " not in name:
                    self.add_topic(name, 1)
        rows = []
        for name in names:
            partitions = tuple(
                MetadataResponsePartition(0, index, self.leaders[key], self.epochs[key], (0,), (0,))
                for key in self.logs
                for index in (key[1],)
                if key[0] == name
            )
            error = 0 if partitions else INVALID_TOPIC if " " in name else UNKNOWN_TOPIC
            internal = name.startswith("__")
            rows.append(MetadataResponseTopic(error, name, self.ids.get(name, UUID(int=0)), internal, partitions))
        brokers = tuple(MetadataResponseBroker(number, *node.address, None) for number, node in enumerate(self.nodes))
        return MetadataResponse(brokers=brokers, cluster_id="c", controller_id=0, topics=tuple(rows))

    def _topic(self, name: str, identity: UUID) -> str:
        return name or next((known for known, its in self.ids.items() if its == identity), "")

    def _produce(self, node: int, request: ProduceRequest) -> Any:
        self.produce_requests += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == DROP:
            return HANG_UP
        if trouble == STALL:
            return SILENCE
        if trouble == MOVE:
            self.move()
        if trouble == FORGET:
            for log in self.logs.values():
                log.producers.clear()
        topics = []
        for topic in request.topic_data:
            name = self._topic(topic.name, topic.topic_id)
            rows = []
            for row in topic.partition_data:
                error, offset = self._append(node, (name, row.index), bytes(row.records or b""), trouble)
                rows.append(PartitionProduceResponse(row.index, error, offset))
            topics.append(TopicProduceResponse(topic.name, topic.topic_id, tuple(rows)))
        return HANG_UP if trouble == LOSE else ProduceResponse(responses=tuple(topics)) if request.acks else b""

    def _append(self, node: int, key: tuple[str, int], data: bytes, trouble: Any) -> tuple[int, int]:
        if isinstance(trouble, int):
            return trouble, -1
        if key not in self.logs:
            return UNKNOWN_TOPIC, -1
        if self.leaders[key] != node:
            return NOT_LEADER, -1
        if len(data) > self._max_message_bytes:
            return MESSAGE_TOO_LARGE, -1
        return self.logs[key].append(data)

    def _fetch(self, node: int, request: FetchRequest) -> FetchResponse:
        topics, room = [], request.max_bytes
        for topic in request.topics:
            name = self._topic(topic.topic, topic.topic_id)
            rows = []
            for row in topic.partitions:
                key = name, row.partition
                errors = self.fetch_error.get(key, [])
                error = errors.pop(0) if errors else 0
                log = self.logs.get(key)
                if not error and (log is None or self.leaders[key] != node):
                    error = NOT_LEADER if log else UNKNOWN_TOPIC
                if not error and log and not self.log_start[key] <= row.fetch_offset <= log.end:
                    error = OUT_OF_RANGE
                answer = PartitionData(row.partition, error)
                if log and not error:
                    answer.high_watermark = answer.last_stable_offset = log.end
                    answer.records = log.read(row.fetch_offset, row.partition_max_bytes) if room > 0 else b""
                    room -= len(answer.records)  # the first one that has data is given whole (KIP-74)
                    answer.aborted_transactions = self.aborted.get(key, ()) if request.isolation_level else None
                rows.append(answer)
            topics.append(FetchableTopicResponse(topic.topic, topic.topic_id, tuple(rows)))
        return FetchResponse(responses=tuple(topics))

    def _list_offsets(self, node: int, request: ListOffsetsRequest) -> ListOffsetsResponse:
        topics = []
        for topic in request.topics:
            rows = []
            for row in topic.partitions:
                key = topic.name, row.partition_index
                if self.leaders.get(key) != node:
                    rows.append(ListOffsetsPartitionResponse(row.partition_index, NOT_LEADER))
                    continue
                rows.append(ListOffsetsPartitionResponse(row.partition_index, 0, -1, self._found(key, row.timestamp)))
            topics.append(ListOffsetsTopicResponse(topic.name, tuple(rows)))
        return ListOffsetsResponse(topics=tuple(topics))

    def _found(self, key: tuple[str, int], timestamp: int) -> int:
        log = self.logs[key]
        if timestamp in (EARLIEST, LATEST):
            return self.log_start[key] if timestamp == EARLIEST else self.ends.get(key, log.end)
        later = (
            record.offset for _, data in log.batches for record in batch.records(data) if record.timestamp >= timestamp
        )
        return next(later, -1)
