"""Three combined nodes of either kind, as processes on this machine, and what a bench asks them.

Questions go over plain sockets, in the versions that both systems speak, so that asking costs either side the same.
"""

import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, Self

from server.wire import api, frames
from server.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from server.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tests.support.clients import librdkafka_admin, rdkafka
from tests.support.nodes import HOST, Node
from tests.support.waiting import until

NODES = 3
METADATA, LIST_OFFSETS = 3, 2
METADATA_VERSION, LIST_OFFSETS_VERSION = 12, 7
LATEST = -1
TOPICS_A_REQUEST = 100
WAIT_S = 240.0
ASK_S = 60.0
SIZE = Struct(">i")
IN_SYNC_EVERYWHERE = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
}


class Trio:
    """Use as a context manager: formats all three and starts them; stops or kills what runs on exit."""

    def __init__(self, kind: type[Node], folder: Path, properties: Mapping[str, str] | None = None) -> None:
        self.nodes = [kind(folder / str(number), properties, node_id=number) for number in range(NODES)]
        voters = ",".join(f"{node.node_id}@{HOST}:{node.controller_port}" for node in self.nodes)
        for node in self.nodes:
            node.properties |= IN_SYNC_EVERYWHERE | {"controller.quorum.voters": voters}
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)

    def format(self) -> None:
        for node in self.nodes:
            node.format()

    def start(self) -> None:
        """Start all and wait until each of them knows all three."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            until(partial(self._knows_all, node), WAIT_S, f"{node.bootstrap} to know all nodes")

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.format()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.process is not None]

    # -- topics

    def create(self, names: Iterable[str], partitions: int, **config: str) -> None:
        """Returns when all are made. In several requests: Kafka's controller takes 10,000 records at once, no more."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        wanted = [
            rdkafka.NewTopic(name, num_partitions=partitions, replication_factor=3, config=settings) for name in names
        ]
        admin = librdkafka_admin(self.bootstrap)
        for at in range(0, len(wanted), TOPICS_A_REQUEST):
            some = wanted[at : at + TOPICS_A_REQUEST]
            for future in admin.create_topics(some, operation_timeout=WAIT_S, request_timeout=WAIT_S).values():
                future.result(WAIT_S)

    def leader(self, topic: str, partition: int = 0) -> Node:
        """Who leads it, once all replicas are in sync."""
        self.wait_in_sync(1, [topic])
        rows = [row for found in self.metadata(self.running[0], [topic]).topics for row in found.partitions]
        return self.nodes[next(row.leader_id for row in rows if row.partition_index == partition)]

    def wait_in_sync(self, partitions: int, topics: Iterable[str] | None = None) -> None:
        """Wait until every running node tells of at least so many partitions, all with a leader and all replicas."""
        asked = None if topics is None else list(topics)
        for node in self.running:
            what = f"{node.bootstrap} to tell of {partitions} partitions in sync"
            until(partial(self._in_sync, node, asked, partitions), WAIT_S, what)

    def _in_sync(self, node: Node, topics: list[str] | None, partitions: int) -> bool:
        try:
            answer = self.metadata(node, topics)
        except OSError:
            return False
        rows = [row for topic in answer.topics for row in topic.partitions]
        whole = all(row.leader_id >= 0 and len(row.isr_nodes) == len(row.replica_nodes) for row in rows)
        return whole and len(rows) >= partitions

    def wait_led(self) -> None:
        """Wait until the leader of each partition says that it is the leader."""
        rows: dict[int, dict[str, list[int]]] = {}
        for topic in self.metadata(self.running[0], None).topics:
            for row in topic.partitions:
                rows.setdefault(row.leader_id, {}).setdefault(topic.name or "", []).append(row.partition_index)
        for leader, topics in rows.items():
            request = ListOffsetsRequest(
                -1,
                topics=[
                    ListOffsetsTopic(name, [ListOffsetsPartition(index, timestamp=LATEST) for index in indexes])
                    for name, indexes in topics.items()
                ],
            )
            until(partial(self._led, self.nodes[leader], request), WAIT_S, "all leaders")

    def _led(self, node: Node, request: ListOffsetsRequest) -> bool:
        answer = ask(node, LIST_OFFSETS, LIST_OFFSETS_VERSION, request)
        return not any(row.error_code for topic in answer.topics for row in topic.partitions)

    # -- questions

    def metadata(self, node: Node, topics: list[str] | None) -> MetadataResponse:
        rows = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        request = MetadataRequest(rows, allow_auto_topic_creation=False)
        answer: MetadataResponse = ask(node, METADATA, METADATA_VERSION, request)
        return answer

    def _knows_all(self, node: Node) -> bool:
        try:
            return len(self.metadata(node, []).brokers) == NODES
        except OSError:
            return False


def ask(node: Node, key: int, version: int, request: Any) -> Any:
    """One request on a connection of its own. Raises OSError: nobody answers."""
    header = frames.RequestHeader(key, version, 1, "bench")
    with closing(socket.create_connection((HOST, node.port), ASK_S)) as connection:
        connection.sendall(frames.request_frame(header, api.encode_request(key, version, request)))
        (size,) = SIZE.unpack(_exactly(connection, SIZE.size))
        answer = _exactly(connection, size)
    _, at = frames.decode_response_header(answer, api.header_versions(key, version)[1])
    return api.decode_response(key, version, memoryview(answer), at)


def _exactly(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        got = connection.recv_into(view[have:])
        if not got:
            raise ConnectionResetError("the connection ended within an answer")
        have += got
    return data
