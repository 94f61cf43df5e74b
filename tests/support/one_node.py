"""A whole node in virtual time, formatted on a memory disk: for tests of what its parts do together.

world = OneNode()
node = await world.start()          # ready; world.ask(request, version) walks the line that a client's would
world.power_cut() ; node = await world.start()
"""

import asyncio
from random import Random
from typing import Any

from server import config as node_config
from server import dispatch
from server.broker import snapshots
from server.broker.context import Client, Context
from server.log import meta_properties
from server.metadata import bootstrap
from server.model.features import LATEST_METADATA_VERSION
from server.model.ids import DirectoryId, NodeId
from server.node import Node
from tests.sim.disk import MemoryDisk
from tests.sim.doors import BIRTH_MS, SimClock, SimRng
from tests.sim.inodes import Temper
from tests.sim.loop import Process, SimLoop, spawn
from tests.sim.network import MemoryNetwork
from tests.support.nodes import CLUSTER_ID

PROPERTIES = """
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@node:9093
listeners=PLAINTEXT://node:9092,CONTROLLER://node:9093
controller.listener.names=CONTROLLER
log.dirs=/data
"""


class OneNode:
    def __init__(self, seed: int = 0, properties: str = "") -> None:
        self.rng = Random(seed)
        self.clock = SimClock()
        self.network = MemoryNetwork(self.rng)
        self.disk = MemoryDisk(self.clock.timestamp_ms, self.rng)
        self.properties = PROPERTIES + properties
        self.node: Node
        self._process = Process("node")
        self._format()

    def _format(self) -> None:
        self.disk.make_dirs("/data")
        self.disk.sync_dir("/")
        meta = meta_properties.MetaProperties(CLUSTER_ID, NodeId(0), DirectoryId(SimRng(self.rng).uuid()))
        self.disk.replace(f"/data/{meta_properties.FILE}", meta_properties.format(meta, BIRTH_MS).encode())
        first = snapshots.file_bytes(
            bootstrap.checkpoint(), (), LATEST_METADATA_VERSION, epoch=0, last_timestamp_ms=0, now_ms=BIRTH_MS
        )
        self.disk.replace(f"/data/{snapshots.BOOTSTRAP}", first)

    async def start(self) -> Node:
        """Start a node on the disk as it is; an earlier one must have stopped, or lost its power."""
        config = node_config.load(self.properties, "server.properties")
        network, disk = self.network.host("node"), self.disk.session()
        self.node = Node(config, clock=self.clock, network=network, disk=disk, rng=SimRng(self.rng))
        self._process = Process("node")
        await spawn(self._process, self.node.start)
        return self.node

    def power_cut(self, temper: Temper = Temper.LOSE) -> None:
        """The node is gone, and with it what was not synced (`Temper.KEEP`: kill -9, which the page cache survives)."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        loop.kill(self._process)
        self.network.crash("node", power=temper is not Temper.KEEP)
        self.disk.crash(self.rng, temper)
        self.network.restore("node")

    async def ask(self, key: int, request: Any, version: int | None = None, *, controller: bool = False) -> Any:
        """What the handler of this API answers."""
        plane = dispatch.CONTROLLER if controller else dispatch.BROKER
        taken = dispatch.route(plane, key, dispatch.TABLE[key].versions[1] if version is None else version)
        assert taken is not None
        client = Client("127.0.0.1", 1, "CONTROLLER" if controller else "PLAINTEXT")
        context = Context(taken.version, "test", client, controller, dispatch.advertised(plane))
        answer = taken.handle(self.node.broker, context, request)
        return await answer if asyncio.iscoroutine(answer) else answer
