"""A world in a seed: the production node on a simulated loop, network, disk and clock, with clients and troubles.

    report = run(seed)          # raises AssertionError that names what went wrong; one seed, one trace

The seed draws what kind of world it is: how often the process is killed (kill -9: the page cache survives), whether the
power is cut (unsynced bytes may be lost), whether a crash may fall between any two disk operations, whether links are
cut. In the end the world is made whole, everything is read from the start, and the history is judged.
"""

import asyncio
import contextvars
import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from server import config as node_config
from server.broker import snapshots
from server.log import meta_properties
from server.log.meta_properties import UnusableDirectory
from server.log.owner import StorageFailed
from server.metadata import bootstrap
from server.model.features import LATEST_METADATA_VERSION
from server.model.ids import DirectoryId, NodeId, TopicId
from server.node import CannotStart, Node
from tests.sim.actors import EARLIEST, LATEST, Consumer, Place, Producer, Scene, end_of
from tests.sim.admin import Admin
from tests.sim.client import Client
from tests.sim.disk import MemoryDisk
from tests.sim.doors import BIRTH_MS, SimClock, SimRng
from tests.sim.inodes import Temper
from tests.sim.loop import Killed, Process, SimLoop, current_process, simulate, spawn
from tests.sim.network import MemoryNetwork
from tests.support import history
from tests.support.history import FINAL
from tests.support.nodes import CLUSTER_ID

HOST, PORT = "broker", 9092
DIRS = ("/data", "/data2")  # the first one holds the metadata log
HEAL_S = 30
PROPERTIES = f"""
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@{HOST}:9093
listeners=PLAINTEXT://{HOST}:{PORT},CONTROLLER://{HOST}:9093
controller.listener.names=CONTROLLER
log.dirs={",".join(DIRS)}
"""
TOPICS: dict[str, dict[str, str]] = {
    "plain": {},
    "durable": {"flush.messages": "1"},
    "rolling": {"segment.bytes": "1048576", "segment.ms": "700", "index.interval.bytes": "100"},
}


@dataclass
class Report:
    seed: int
    acknowledged: int = 0
    kills: int = 0
    power_cuts: int = 0
    link_cuts: int = 0
    disk_faults: int = 0


class World:
    def __init__(self, seed: int, seconds: float, trace: Callable[[str], None]) -> None:
        self.rng = Random(seed)
        self.report = Report(seed)
        self.seconds = seconds
        self.network = MemoryNetwork(self.rng)
        self.network.trace = trace
        self.clock = SimClock(uptime_ms=self.rng.randrange(1 << 40))
        self.disk = MemoryDisk(lambda: self.clock.timestamp_ms(), self.rng)
        self.disk.before = self._disk_operation
        self.scene = Scene(self.rng, self._new_client, self._topic_id)
        self.process = Process("broker")
        self.node: Node | None = None
        self._clients = 0
        self._up = asyncio.Event()  # a process is alive and serves
        self._mending: list[asyncio.TimerHandle] = []
        self._operations_left: int | None = None  # until a crash in the middle of a disk operation
        self._power = False
        self._durable = frozenset(f"durable-{index}" for index in range(2))
        self._problems: list[str] = []

    async def run(self) -> Report:
        self._format()
        self._launch()
        self.admin = Admin(self.scene)
        for name, config in TOPICS.items():
            await self.admin.create(name, 2, config)
        await self.admin.look()
        actors = self._actors()
        await self._trouble(self.seconds)
        await self._heal(actors)
        await self._judge()
        await self._stop()
        self.report.acknowledged = history.acknowledged(self.scene.events)
        assert not self._problems, "\n".join(self._problems)
        return self.report

    # -- the broker's process

    def _format(self) -> None:
        times = {"last_timestamp_ms": BIRTH_MS, "now_ms": BIRTH_MS}
        first = snapshots.file_bytes(bootstrap.checkpoint(), (), LATEST_METADATA_VERSION, epoch=0, **times)
        for folder in DIRS:
            self.disk.make_dirs(folder)
            meta = meta_properties.MetaProperties(CLUSTER_ID, NodeId(0), DirectoryId(SimRng(self.rng).uuid()))
            self.disk.replace(f"{folder}/{meta_properties.FILE}", meta_properties.format(meta, BIRTH_MS).encode())
        self.disk.replace(f"{DIRS[0]}/{snapshots.BOOTSTRAP}", first)
        self.disk.sync_dir("/")

    def _launch(self) -> None:
        self.process = Process("broker")
        spawn(self.process, self._live).add_done_callback(self._ended)

    async def _live(self) -> None:
        config = node_config.load(PROPERTIES, "server.properties")
        node = Node(
            config,
            clock=self.clock,
            network=self.network.host(HOST),
            disk=self.disk.session(),
            rng=SimRng(self.rng),
        )
        self.node = node
        await node.start()
        self._up.set()
        reason = await node.fatal
        assert self.report.disk_faults, f"the node gave up: {reason}"
        self.network.note(f"the node gave up: {reason}")
        await node.stop()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, CannotStart | UnusableDirectory | OSError | StorageFailed) and self.report.disk_faults:
            self.network.note(f"the node cannot start: {error}")
        elif error and not isinstance(error, Killed):
            self._problems.append(f"the broker failed: {error!r}")
            self._up.set()

    def _crash(self, *, power: bool) -> None:
        """The process is gone, wherever it was; then it starts again, after a while."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        self._operations_left = None
        self._up.clear()
        loop.kill(self.process)
        self.network.crash(HOST, power=power)
        self.disk.crash(self.rng, None if power else Temper.KEEP)
        if power:
            self.report.power_cuts += 1
            self.scene.power_cuts += 1
            self.scene.note("info", "power-cut", "", "")
        else:
            self.report.kills += 1
        # In a context of nobody's: in the one of the dead it would not be called.
        loop.call_later(self.rng.choice([0, self.rng.uniform(0, 3)]), self._rise, context=contextvars.Context())

    def _rise(self) -> None:
        self.network.restore(HOST)
        self._launch()

    def _disk_operation(self, operation: str, path: str) -> None:
        if current_process() is not self.process or self._operations_left is None:
            return
        self._operations_left -= 1
        if self._operations_left <= 0:
            self.network.note(f"crash in {operation} {path}")
            self._crash(power=self._power)
            raise Killed

    # -- troubles

    async def _trouble(self, seconds: float) -> None:
        rng = self.rng
        kinds: list[Callable[[], None]] = [self._crash_now, self._crash_soon, self._cut_link, self._break_disk]
        chosen = rng.sample(kinds, rng.randint(1, len(kinds)))
        # A sync that failed leaves bytes that look written and are not: nobody survives a power cut after that.
        cuts_power = rng.random() < 0.5 and self._break_disk not in chosen
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(rng.uniform(0.01, seconds / 4))
            self._power = cuts_power and rng.random() < 0.5
            rng.choice(chosen)()

    def _crash_now(self) -> None:
        if self.process.alive:
            self._crash(power=self._power)

    def _crash_soon(self) -> None:
        self._operations_left = self.rng.choice([1, 2, 3, self.rng.randrange(1, 300)])

    def _cut_link(self) -> None:
        client = f"client{self.rng.randrange(self._clients) + 1}"
        pair = self.rng.choice([(client, HOST), (HOST, client), ("*", HOST)])
        self.report.link_cuts += 1
        self.network.cut(*pair)
        asyncio.get_running_loop().call_later(self.rng.uniform(0.1, 20), self.network.mend, *pair)

    def _break_disk(self) -> None:
        """Make one directory fail, a little or for good; later it is whole, and the broker is started anew."""
        folder = DIRS[self.rng.random() < 0.8]
        operation = self.rng.choice(["write", "sync", "open", "read", "*"])
        times = self.rng.choice([1, 3, 1 << 30])
        code = self.rng.choice([errno.EIO, errno.ENOSPC, errno.EROFS])
        self.report.disk_faults += 1
        self.network.note(f"{folder} fails {times} times at {operation}")
        self.disk.fail(code, operation, f"{folder}/*", times)
        self._mending.append(asyncio.get_running_loop().call_later(self.rng.uniform(0.1, 5), self._mend_disk))

    def _mend_disk(self) -> None:
        self.disk.heal()
        self._crash_now()

    async def _heal(self, actors: "list[asyncio.Task[None]]") -> None:
        self._operations_left = None
        for mending in self._mending:  # it kills the node as well, and nothing may do that while the world is judged
            mending.cancel()
        self.network.mend()
        if self.report.disk_faults:
            self._mend_disk()
        async with asyncio.timeout(HEAL_S):
            await self._up.wait()
        assert not self._problems, "\n".join(self._problems)
        await asyncio.sleep(self.rng.uniform(0, 2))
        self.scene.stopping = True
        async with asyncio.timeout(10 * HEAL_S):
            await asyncio.gather(*actors)

    # -- clients

    def _new_client(self) -> Client:
        self._clients += 1
        return Client(self.network.host(f"client{self._clients}"), self.rng, HOST, PORT)

    def _topic_id(self, name: str) -> TopicId:
        return self.admin.topic_ids[name]

    def _places(self) -> list[Place]:
        return [Place(topic, index) for topic in TOPICS for index in range(2)]

    def _actors(self) -> "list[asyncio.Task[None]]":
        mains = [self.admin.run]
        for number, place in enumerate(self._places()):
            mains += [
                Producer(self.scene, f"p{number}{letter}", place).run for letter in "ab"[: self.rng.randint(1, 2)]
            ]
            mains.append(Consumer(self.scene, f"c{number}", place).run)
        return [asyncio.get_running_loop().create_task(main()) for main in mains]

    # -- judgement

    async def _judge(self) -> None:
        for place in self._places():
            reader = Consumer(self.scene, FINAL, place)
            client = self._new_client()
            reader.position = start = await end_of(self.scene, client, place, EARLIEST)
            end = await end_of(self.scene, client, place, LATEST)
            self.scene.note("ok", "poll", FINAL, str(place), start=start)
            async with asyncio.timeout(10 * HEAL_S):
                await reader.read_to(end)
            client.disconnect()
        anomalies = history.check(self.scene.events, self._durable)
        self._problems += map(str, anomalies)
        self._problems += await self.admin.verify()

    async def _stop(self) -> None:
        """A clean stop leaves no file open, no connection, and nothing to recover."""
        node = self.node
        assert node
        task = spawn(self.process, node.stop)
        await task
        assert self.disk.open_files == 0, f"{self.disk.open_files} files are open after a clean stop"
        assert self.network.connections(HOST) == 0
        assert all(self.disk.exists(f"{folder}/.kafka_cleanshutdown") for folder in DIRS)


class _Errors(logging.Handler):
    """Collects what the server logs as an error: with a whole disk there is nothing to log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], Killed):
            return
        self.lines.append(logging.Formatter().format(record))


def run(seed: int, seconds: float = 12, trace: Callable[[str], None] = lambda line: None) -> Report:
    """Play one world; each line of its trace goes to `trace`. Raises AssertionError, which names the seed."""
    errors = _Errors()
    logger = logging.getLogger("server")
    logger.addHandler(errors)

    async def main() -> Report:
        return await World(seed, seconds, trace).run()

    try:
        report = simulate(main(), Random(seed))
        assert not errors.lines or report.disk_faults, "logged as errors:\n" + "\n".join(errors.lines[:5])
        return report
    except BaseException as e:
        e.add_note(f"in the world of seed {seed}; `make sim SEED={seed}` plays it again, with its trace")
        raise
    finally:
        logger.removeHandler(errors)
