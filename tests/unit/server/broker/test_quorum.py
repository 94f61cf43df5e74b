"""The metadata log's shell: what leaves the loop, and what waits for it."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any
from uuid import UUID

from server import config
from server.broker import metadata_log
from server.broker.quorum import MetadataQuorum
from server.broker.raft_peers import Heard, RaftPeers
from server.log import meta_properties
from server.log.dirs import LogDirs
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.record_format import encode
from server.metadata.records import NoOpRecord
from server.model.errors import ErrorCode
from server.model.features import LATEST_METADATA_VERSION
from server.model.ids import DirectoryId, NodeId, RaftEpoch
from server.ports import Network
from server.raft import events, responses, rpc
from server.raft.voters import Peer
from server.records import batch, build
from server.wire.messages import begin_quorum_epoch as begin
from tests.sim.disk import MemoryDisk
from tests.sim.doors import SimClock, SimRng
from tests.sim.inodes import Temper
from tests.sim.network import MemoryNetwork

CLUSTER = "a-cluster-of-tests-abc"
LEADER, ENDPOINT = Peer(NodeId(2), "two", 9093), ("CONTROLLER", "two", 9093)
PROPERTIES = """
process.roles=controller
node.id=1
listeners=CONTROLLER://one:9093
controller.listener.names=CONTROLLER
controller.quorum.voters=1@one:9093,2@two:9093,3@three:9093
log.dirs=/data
"""


class Threads(ThreadPoolExecutor):
    """Holds work back until the test lets it be done."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.held.append(lambda: future.set_result(fn(*args, **named)))
        return future

    def work(self) -> None:
        held, self.held = self.held, []
        for job in held:
            job()


class Peers(RaftPeers):
    """Notes what is asked, instead of asking; the test answers."""

    def __init__(self, network: Network, cluster_id: str, node_id: int, timeout_ms: int, heard: Heard) -> None:
        super().__init__(network, cluster_id, node_id, timeout_ms, heard)
        self.asked: list[rpc.Request] = []

    def send(self, peer: Peer, request: rpc.Request) -> None:
        self.asked.append(request)

    @property
    def fetched_from(self) -> list[int]:
        """The offsets of the fetches so far, each once; it says that all before it is on disk."""
        return list(dict.fromkeys(ask.offset for ask in self.asked if isinstance(ask, rpc.FetchRequest)))

    def give(self, count: int) -> None:
        """Answer the last fetch with a batch of so many records."""
        ask = self.asked[-1]
        assert isinstance(ask, rpc.FetchRequest)
        rows = [batch.Record(0, 0, None, encode(NoOpRecord(), LATEST_METADATA_VERSION)) for _ in range(count)]
        data = bytes(build.build(rows, base_offset=ask.offset, leader_epoch=1))
        answer = rpc.FetchResponse(
            ErrorCode.NONE, RaftEpoch(1), LEADER.id, batches=responses.batches_in(memoryview(data)), records=data
        )
        self._heard(events.Answered(LEADER, ask, answer))


class Silent:
    """A node that is told much and does nothing."""

    def publish(self, delta: Delta, image: Image) -> None: ...

    def lead(self) -> None: ...

    def follow(self) -> None: ...

    def broken(self, error: BaseException) -> None:
        raise error


async def turns() -> None:
    """Let the loop do all that is ready."""
    for _ in range(5):
        await asyncio.sleep(0)


def opened(disk: MemoryDisk) -> tuple[MetadataQuorum, Peers]:
    """Node 1 of three, started; and what it asks of others."""
    told = config.load(PROPERTIES, "server.properties")
    clock, rng = SimClock(), SimRng(Random(1))
    disk.make_dirs("/data")
    disk.sync_dir("/")
    meta = meta_properties.MetaProperties(CLUSTER, NodeId(1), DirectoryId(UUID(int=1000)))
    disk.replace(f"/data/{meta_properties.FILE}", meta_properties.format(meta, 0).encode())
    logs = LogDirs(disk, clock, rng, told.log_dirs, metadata_dir=told.metadata_log_dir)
    cluster_id, made = logs.claim(1), list[Peers]()

    def connect(network: Network, cluster_id: str, node_id: int, timeout_ms: int, heard: Heard) -> RaftPeers:
        made.append(Peers(network, cluster_id, node_id, timeout_ms, heard))
        return made[-1]

    network = MemoryNetwork(Random(1)).host("one")
    quorum = metadata_log.open_quorum(told, cluster_id, logs, disk, network, clock, rng, Silent(), connect).quorum
    quorum.start()
    return quorum, made[0]


async def follower(disk: MemoryDisk) -> tuple[MetadataQuorum, Peers]:
    """Node 1, when it follows node 2 and has its first batch on disk."""
    quorum, peers = opened(disk)
    row = begin.RequestPartitionData(0, UUID(int=1000), 2, 1)
    topics = [begin.RequestTopicData("__cluster_metadata", [row])]
    await quorum.ask(begin.BeginQuorumEpochRequest(CLUSTER, 1, topics, [begin.LeaderEndpoint(*ENDPOINT)]))
    peers.give(1)
    await turns()
    return quorum, peers


def with_threads(main: Callable[[Threads], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        threads = Threads()
        asyncio.get_running_loop().set_default_executor(threads)
        await main(threads)

    asyncio.run(run())


def test_a_follower_acknowledges_what_it_has_on_disk() -> None:
    """The sync is a thread's work, and the loop goes on; the fetch that says so waits for it."""

    async def main(threads: Threads) -> None:
        quorum, peers = await follower(MemoryDisk())
        peers.give(2)
        await turns()
        assert (quorum.log.leo, peers.fetched_from, len(threads.held)) == (3, [0, 1], 1)
        threads.work()
        await turns()
        assert (peers.fetched_from, threads.held) == ([0, 1, 3], [])
        quorum.close()

    with_threads(main)


def test_what_was_acknowledged_survives_a_power_cut() -> None:
    async def main(threads: Threads) -> None:
        disk = MemoryDisk()
        quorum, peers = await follower(disk)
        peers.give(2)
        await turns()
        threads.work()
        await turns()
        disk.crash(Random(1), Temper.LOSE)
        again, _ = opened(disk)
        assert again.log.leo == peers.fetched_from[-1] == 3
        quorum.close()

    with_threads(main)
