"""A broker without a quorum: real partitions on a disk of the test's choice, metadata as the test says.

plane = DataPlane(MemoryDisk(), SimClock(), SimRng(Random(0)), orders=3)
plane.broker            # what handlers receive
plane.publish(record)   # as if the quorum had committed it
plane.ask(request, 9)   # what the handler of that request's API answers
"""

import asyncio
import importlib
import inspect
from collections.abc import Iterable
from typing import Any, cast
from uuid import UUID

from server import config, dispatch
from server.broker.broker import Broker
from server.broker.context import Client, Context
from server.broker.controller import ActiveController
from server.broker.partition import Partition
from server.log import meta_properties
from server.log.dirs import LogDirs
from server.metadata import records as r
from server.metadata.delta import Delta
from server.model.ids import BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId
from server.net.answers import AfterWrite, Peer, Service
from server.ports import Clock, Disk, Rng
from server.records.batch import Record
from server.records.build import build
from server.wire.messages.by_hand import ALL

US = NodeId(1)
CLUSTER = "a-cluster-of-tests-abc"
LISTENER = "PLAINTEXT"
PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:9093
"""


def topic_id(name: str) -> TopicId:
    return TopicId(UUID(bytes=name.encode().rjust(16, b"\x01")[:16]))


class DataPlane:
    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        rng: Rng,
        *,
        dirs: Iterable[str] = ("/data",),
        properties: dict[str, str] | None = None,
        **topics: int,
    ) -> None:
        """topics: name -> number of partitions, led by this broker, with no other replica."""
        self.disk, self.clock = disk, clock
        paths = tuple(dirs)
        self.config = config.load(PROPERTIES, "test.properties", {"log.dirs": ",".join(paths)} | (properties or {}))
        for number, path in enumerate(paths):
            self._format(path, DirectoryId(UUID(int=1000 + number)))
        self.logs = LogDirs(disk, clock, rng, paths)
        self.logs.claim(US)
        controller = cast(ActiveController, None)  # none of these handlers asks it
        self.broker = Broker(self.config, CLUSTER, self.logs, controller, clock, rng)
        self.client = Client("10.0.0.9", 5555, LISTENER)
        self.publish(
            r.RegisterBrokerRecord(
                US, broker_epoch=BrokerEpoch(1), end_points=(r.EndPoint(LISTENER, "host1", 9092),), fenced=False
            )
        )
        for name, count in topics.items():
            self.create(name, count)
        self.logs.load(self.broker.log_settings)
        self.broker.open_partitions()

    def _format(self, path: str, directory_id: DirectoryId) -> None:
        self.disk.make_dirs(path)
        file = f"{path}/{meta_properties.FILE}"
        if not self.disk.exists(file):
            meta = meta_properties.MetaProperties(CLUSTER, US, directory_id)
            self.disk.replace(file, meta_properties.format(meta, self.clock.timestamp_ms()).encode())

    def publish(self, *records: r.Record) -> None:
        image = self.broker.image
        delta = Delta(image)
        for record in records:
            delta.replay(record)
        self.broker.publish(delta, delta.image(image.offset + len(records), 1, self.clock.timestamp_ms()))

    def create(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Make a topic; configs with underscores for dots."""
        self.publish(
            r.TopicRecord(name, topic_id(name)),
            *(r.ConfigRecord(2, name, key.replace("_", "."), value) for key, value in configs.items()),
            *(self.registration(name, index) for index in range(partitions)),
        )

    def registration(
        self,
        name: str,
        index: int = 0,
        *,
        leader: int = US,
        epoch: int = 0,
        replicas: tuple[int, ...] = (US,),
        isr: tuple[int, ...] = (US,),
        partition_epoch: int = 0,
    ) -> r.PartitionRecord:
        return r.PartitionRecord(
            index,
            topic_id(name),
            tuple(map(NodeId, replicas)),
            tuple(map(NodeId, isr)),
            leader=NodeId(leader),
            leader_epoch=LeaderEpoch(epoch),
            partition_epoch=partition_epoch,
            directories=tuple(DirectoryId(UUID(int=1000)) for _ in replicas),
        )

    def partition(self, name: str, index: int = 0) -> Partition:
        return self.broker.partition(name, index)

    def batch(self, *values: bytes, timestamp_ms: int | None = None, **options: Any) -> bytearray:
        now = self.clock.timestamp_ms() if timestamp_ms is None else timestamp_ms
        return bytearray(build([Record(i, now, None, value) for i, value in enumerate(values)], **options))

    def context(self, version: int) -> Context:
        return Context(version, "a-client", self.client, False, dispatch.advertised(dispatch.BROKER))

    def start(self, request: Any, version: int) -> Any:
        """Call the handler of this request, and write what it staged. An awaitable comes back as a task."""
        module = type(request).__module__.rpartition(".")[2]
        assert any(known[0] == module for known in ALL.values()), module
        response = importlib.import_module(f"server.handlers.{module}").handle(
            self.broker, self.context(version), request
        )
        if isinstance(response, AfterWrite):
            self.broker.writes.flush()
            response = response.settle()
        return asyncio.ensure_future(response) if inspect.isawaitable(response) else response

    async def ask(self, request: Any, version: int) -> Any:
        response = self.start(request, version)
        while inspect.isawaitable(response) or isinstance(response, AfterWrite):
            if isinstance(response, AfterWrite):
                self.broker.writes.flush()
                response = response.settle()
            else:
                response = await response
        return response

    def connect(self, plane: int = dispatch.BROKER) -> Service:
        """The service of one connection, as a listener would make it."""
        return dispatch.connect(self.broker, LISTENER, plane)(Peer("10.0.0.9", 5555))
