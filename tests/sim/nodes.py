"""Several whole nodes in one simulated world: each with a disk, a host and a process of its own.

nodes = SimNodes(rng, combined=3)
nodes.launch(0)                      # start its process; `await nodes.ready(0)` waits until it serves
nodes.crash(0, power=True)           # the process, or the host, is gone; `launch` brings it back
nodes.client()                       # a client of any node
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from random import Random

from server import config as node_config
from server.broker import snapshots
from server.log import meta_properties
from server.metadata import bootstrap
from server.model.features import LATEST_METADATA_VERSION
from server.model.ids import DirectoryId, NodeId
from server.node import Node
from tests.sim.client import Client
from tests.sim.disk import MemoryDisk
from tests.sim.doors import BIRTH_MS, SimClock, SimRng
from tests.sim.inodes import Temper
from tests.sim.loop import Killed, Process, SimLoop, spawn
from tests.sim.network import MemoryNetwork
from tests.support.nodes import CLUSTER_ID

PORT, CONTROLLER_PORT = 9092, 9093
DRIFT = 0.03  # of a clock: far more than a quartz has
SLOW_S = (0.02, 0.2)  # what a sync may take on a disk that is slow
DATA = "/data"


class SimNode:
    """One node: what survives its process, and the process."""

    def __init__(self, world: "SimNodes", node_id: int, roles: str) -> None:
        self.id, self.roles, self.host = node_id, roles, f"node{node_id}"
        self.clock = SimClock(uptime_ms=world.rng.randrange(1 << 40), skew_ms=world.rng.randrange(-500, 500))
        self.disk = MemoryDisk(self.clock.timestamp_ms, world.rng)
        self.process = Process(self.host)
        self.process.alive = False
        self.node: Node | None = None
        self.up = asyncio.Event()
        self.slow_s = 0.0


class SimNodes:
    def __init__(
        self,
        rng: Random,
        *,
        combined: int = 0,
        controllers: int = 0,
        brokers: int = 0,
        properties: Mapping[str, str] | None = None,
        trace: Callable[[str], None] = lambda line: None,
        make: type[Node] = Node,
    ) -> None:
        """Combined nodes come first, then controllers, then brokers; ids from 0 on."""
        self.rng = rng
        self.network = MemoryNetwork(rng)
        self.network.trace = trace
        self.problems: list[str] = []
        self._properties, self._make = dict(properties or {}), make
        self._clients = 0
        roles = ["broker,controller"] * combined + ["controller"] * controllers + ["broker"] * brokers
        self.nodes = [SimNode(self, node_id, each) for node_id, each in enumerate(roles)]
        self.voters = [each.id for each in self.nodes if "controller" in each.roles]
        self.brokers = [each.id for each in self.nodes if "broker" in each.roles]
        for each in self.nodes:
            self._format(each)

    def __getitem__(self, node_id: int) -> Node:
        node = self.nodes[node_id].node
        assert node is not None
        return node

    def config(self, node: SimNode) -> str:
        listeners = {
            "broker": f"PLAINTEXT://{node.host}:{PORT}",
            "controller": f"CONTROLLER://{node.host}:{CONTROLLER_PORT}",
        }
        properties = {
            "process.roles": node.roles,
            "node.id": str(node.id),
            "controller.quorum.voters": ",".join(f"{each}@node{each}:{CONTROLLER_PORT}" for each in self.voters),
            "listeners": ",".join(listeners[role] for role in node.roles.split(",")),
            "controller.listener.names": "CONTROLLER",
            "log.dirs": DATA,
        } | self._properties
        return "".join(f"{name}={value}\n" for name, value in properties.items())

    def _format(self, node: SimNode) -> None:
        disk = node.disk
        disk.make_dirs(DATA)
        disk.sync_dir("/")
        meta = meta_properties.MetaProperties(CLUSTER_ID, NodeId(node.id), DirectoryId(SimRng(self.rng).uuid()))
        disk.replace(f"{DATA}/{meta_properties.FILE}", meta_properties.format(meta, BIRTH_MS).encode())
        times = {"last_timestamp_ms": BIRTH_MS, "now_ms": BIRTH_MS}
        first = snapshots.file_bytes(bootstrap.checkpoint(), (), LATEST_METADATA_VERSION, epoch=0, **times)
        disk.replace(f"{DATA}/{snapshots.BOOTSTRAP}", first)

    # -- processes

    def launch(self, node_id: int) -> None:
        node = self.nodes[node_id]
        assert not node.process.alive
        self.network.restore(node.host)
        node.process, node.up = Process(node.host, node.slow_s), asyncio.Event()

        def ended(task: "asyncio.Task[None]") -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, Killed):
                where = "".join(traceback.format_exception(error)[-3:])
                self.problems.append(f"{node.host} failed: {error!r}\n{where}")
                node.up.set()

        spawn(node.process, lambda: self._live(node)).add_done_callback(ended)

    async def _live(self, node: SimNode) -> None:
        node.node = self._make(
            node_config.load(self.config(node), f"{node.host}.properties"),
            clock=node.clock,
            network=self.network.host(node.host),
            disk=node.disk.session(),
            rng=SimRng(self.rng),
        )
        await node.node.start()
        node.up.set()
        reason = await node.node.fatal
        raise AssertionError(f"{node.host} gave up: {reason}")

    async def ready(self, *node_ids: int, seconds: float = 60) -> None:
        """Wait until these nodes serve; without ids, all."""
        async with asyncio.timeout(seconds):
            for node_id in node_ids or range(len(self.nodes)):
                await self.nodes[node_id].up.wait()
        assert not self.problems, "\n".join(self.problems)

    def wear(self) -> None:
        """In some worlds clocks drift apart; in some, disks are slow, one of them or all."""
        rng = self.rng
        drifts, slow = rng.random() < 0.5, rng.choice([0.0, 0.0, 0.4, 1.0])
        for node in self.nodes:
            node.clock.drift = rng.uniform(-DRIFT, DRIFT) if drifts else 0.0
            node.slow_s = rng.uniform(*SLOW_S) if rng.random() < slow else 0.0

    async def up(self) -> None:
        """Start all nodes, and wait until they serve."""
        for node in self.nodes:
            self.launch(node.id)
        await self.ready()

    def crash(self, node_id: int, *, power: bool = False, temper: Temper | None = None) -> None:
        """temper: what a power cut leaves of unsynced bytes; drawn where it is not said."""
        node, loop = self.nodes[node_id], asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        loop.kill(node.process)
        self.network.crash(node.host, power=power)
        node.disk.crash(self.rng, temper if power else Temper.KEEP)
        node.node = None

    async def stop(self, node_id: int) -> None:
        node, loop = self.nodes[node_id], asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        await spawn(node.process, self[node_id].stop)
        loop.kill(node.process)  # its `_live` waits for ever
        node.node = None

    # -- what a test asks

    def leader(self) -> int | None:
        """The node whose controller is active in the latest epoch."""
        nodes = [each.node for each in self.nodes if each.process.alive and hasattr(each.node, "controller")]
        active = [
            (node.quorum.core.epoch, node.config.node_id)
            for node in nodes
            if node is not None and node.controller.active
        ]
        return max(active)[1] if active else None

    def client(self, node_id: int, *, controller: bool = False) -> Client:
        self._clients += 1
        port = CONTROLLER_PORT if controller else PORT
        return Client(self.network.host(f"client{self._clients}"), self.rng, self.nodes[node_id].host, port)
