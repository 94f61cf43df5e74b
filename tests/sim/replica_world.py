"""One partition in a seed: three replicas with the production cores, logs and decisions, over a wire that loses,
repeats and reorders; brokers are fenced, killed and lose their page cache, and the metadata reaches each in its time.

    world = World(seed); world.run(steps)       # raises AssertionError, which names the seed

Fetches are answered by the Fetch handler's own code, ISRs are decided by the controller's. There is no loop and no
clock but the world's steps. Told at the end: what was acknowledged is in every log that may lead, and logs agree."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from uuid import UUID

from server.broker.fetching import read_one
from server.broker.partition import Partition
from server.broker.writes import Writes
from server.log.log import Log, Origin
from server.metadata import records as r
from server.metadata.controller import brokers, isr
from server.metadata.delta import applied
from server.metadata.image import Image
from server.model.errors import ErrorCode, Rejected
from server.model.features import ELR_VERSION, LATEST_METADATA_VERSION, METADATA_VERSION
from server.model.ids import NO_LEADER, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, TopicId
from server.model.log_settings import LogSettings
from server.records import batch
from server.records.build import build
from server.replication.follower import BackOff, Locate, Position
from server.replication.leader import ProposeIsr
from server.replication.sessions import Tracked
from server.wire.messages.alter_partition import (
    AlterPartitionRequest,
    BrokerState,
    RequestPartitionData,
    RequestTopicData,
)
from server.wire.messages.broker_registration import BrokerRegistrationRequest, Feature, Listener
from server.wire.messages.fetch import FetchPartition, FetchRequest, LeaderIdAndEpoch, PartitionData
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper
from tests.sim.replica_recovery import recovered

CLUSTER = "a-cluster-of-tests-abc"
TOPIC = TopicId(UUID(int=500))
NODES = tuple(map(NodeId, (1, 2, 3)))
MAX_LAG_MS = 40
UNREGISTERED = BrokerEpoch(-1)
STATIC = {"min.insync.replicas": "2"}


@dataclass
class Clock:
    now: int = 0

    def now_ms(self) -> int:
        return self.now

    def timestamp_ms(self) -> int:
        return 1_767_225_600_000 + self.now


@dataclass
class Replica:
    """One broker, with its one partition; `partition` is None while it is down."""

    node: NodeId
    disk: MemoryDisk
    epoch: BrokerEpoch = UNREGISTERED
    incarnation: int = 0
    seen: int = -1  # the metadata that it has replayed: an index
    hw: int = 0  # its checkpoint
    partition: Partition | None = None
    writes: Writes = field(default_factory=Writes)
    acks: list[tuple[int, LeaderEpoch, bytes]] = field(default_factory=list)  # last offset, epoch, value


class World:
    def __init__(self, seed: int) -> None:
        self.seed, self.rng, self.clock = seed, Random(seed), Clock()
        self.wire: list[Callable[[], None]] = []
        self.retries: list[Callable[[], bool]] = []  # of proposals that nobody has answered
        self.replicas = {node: Replica(node, MemoryDisk(self.clock.timestamp_ms, self.rng)) for node in NODES}
        self.images = [Image()]
        self.acknowledged: dict[int, bytes] = {}  # last offset -> value
        self.sent = self.elections = self.truncations = 0
        self.commit(
            r.FeatureLevelRecord(METADATA_VERSION, LATEST_METADATA_VERSION),
            r.FeatureLevelRecord(ELR_VERSION, 1),
            r.ConfigRecord(2, "t", "min.insync.replicas", "2"),
        )
        for replica in self.replicas.values():
            self.register(replica)
            self.unfence(replica)
        self.commit(
            r.TopicRecord("t", TOPIC),
            r.PartitionRecord(
                0,
                TOPIC,
                NODES,
                NODES,
                leader=NODES[0],
                leader_epoch=LeaderEpoch(0),
                partition_epoch=0,
                directories=tuple(self.directory(node) for node in NODES),
            ),
        )
        for replica in self.replicas.values():
            self.start(replica)

    # -- the controller

    @property
    def image(self) -> Image:
        return self.images[-1]

    def commit(self, *records: r.Record) -> None:
        if records:
            after = applied(self.image, records)
            before = self.image.partition(TOPIC, 0)
            now = after.partition(TOPIC, 0)
            self.elections += before is not None and now is not None and before.leader != now.leader
            self.images.append(replace(after, offset=len(self.images)))

    def directory(self, node: NodeId) -> DirectoryId:
        return DirectoryId(UUID(int=1000 + node))

    def register(self, replica: Replica, previous_epoch: int = -1) -> None:
        replica.incarnation += 1
        request = BrokerRegistrationRequest(
            replica.node,
            CLUSTER,
            UUID(int=replica.node * 1_000_000 + replica.incarnation),
            [Listener("PLAINTEXT", "localhost", 9092, 0)],
            [Feature(METADATA_VERSION, 7, LATEST_METADATA_VERSION), Feature(ELR_VERSION, 0, 1)],
            None,
            log_dirs=[self.directory(replica.node)],
            previous_broker_epoch=previous_epoch,
        )
        epoch = BrokerEpoch(len(self.images))
        decision = brokers.register(
            self.image, STATIC, request, cluster_id=CLUSTER, new_epoch=epoch, session_alive=False
        )
        self.commit(*decision.records)
        replica.epoch = BrokerEpoch(decision.response.broker_epoch)

    def unfence(self, replica: Replica) -> None:
        self.commit(*brokers.unfence(self.image, STATIC, replica.node).records)

    def propose(self, replica: Replica, partition: Partition, wanted: ProposeIsr) -> None:
        """Sent until somebody answers, or until the metadata says more."""
        leader = partition.leader
        assert leader is not None
        members = [
            BrokerState(each, replica.epoch if each == replica.node else leader.broker_epoch(each))
            for each in sorted(wanted.isr)
        ]
        row = RequestPartitionData(0, leader.epoch, (), members, partition_epoch=wanted.partition_epoch)
        request = AlterPartitionRequest(replica.node, replica.epoch, [RequestTopicData(TOPIC, [row])])

        def ask() -> None:
            try:
                decision = isr.alter(self.image, STATIC, request)
            except Rejected:
                return
            self.commit(*decision.records)
            answer = decision.response.topics[0].partitions[0]
            self.wire.append(lambda: hear(answer.error_code, answer.isr, answer.partition_epoch))

        def hear(code: int, members: "object", epoch: int) -> None:
            if partition.leader is not leader:
                return
            if code == ErrorCode.INELIGIBLE_REPLICA:
                partition.proposal_refused()
            elif code == ErrorCode.NONE:
                partition.altered(frozenset(map(NodeId, members)), epoch)  # type: ignore[call-overload]

        def again() -> bool:
            still = partition.leader is leader and leader.partition_epoch == wanted.partition_epoch
            if still:
                self.wire.append(ask)
            return still

        self.wire.append(ask)
        self.retries.append(again)

    # -- brokers

    def start(self, replica: Replica) -> None:
        log = Log.open(
            replica.disk.session(),
            "/data/t-0",
            LogSettings(segment_bytes=2_000),
            recovery_point=0,
            log_start_offset=0,
            clean_shutdown=False,
            now_ms=self.clock.now,
            timestamp_ms=self.clock.timestamp_ms(),
            topic_id=TOPIC,
        )
        replica.writes = Writes()
        replica.partition = Partition(
            "t",
            TOPIC,
            0,
            log,
            self.clock,
            replica.writes,
            hw=self.rng.randint(0, replica.hw),
            propose=lambda partition, wanted: self.propose(replica, partition, wanted),
        )
        replica.acks = []
        self.publish(replica, len(self.images) - 1)

    def publish(self, replica: Replica, index: int) -> None:
        replica.seen = index
        registration = self.images[index].partition(TOPIC, 0)
        assert replica.partition is not None
        if registration is not None:
            replica.partition.become(registration, replica.node, 2, MAX_LAG_MS)
        self.settle(replica)

    def crash(self, replica: Replica, *, power: bool) -> None:
        assert replica.partition is not None
        replica.hw = max(replica.hw, replica.partition.hw)
        replica.partition.leader = replica.partition.follower = None  # the dead answer nobody
        replica.partition = None
        replica.disk.crash(self.rng, None if power else Temper.KEEP)

    def produce(self, replica: Replica) -> None:
        partition = replica.partition
        if partition is None or partition.leader is None:
            return
        self.sent += 1
        value = b"%d" % self.sent
        data = bytearray(build([batch.Record(0, self.clock.timestamp_ms(), None, value)]))
        try:
            done = partition.stage(data, all_replicas=True, origin=Origin.CLIENT)
        except Rejected:
            return
        replica.writes.flush()
        replica.acks.append((done.last_offset, partition.leader_epoch, value))
        self.settle(replica)

    def settle(self, replica: Replica) -> None:
        """Acknowledge what is committed, as Produce does."""
        partition = replica.partition
        if partition is None or partition.leader is None:
            replica.acks = []
            return
        for offset, epoch, value in list(replica.acks):
            if epoch != partition.leader_epoch:
                replica.acks.remove((offset, epoch, value))
            elif partition.hw > offset and not partition.leader.below_min_isr:
                assert self.acknowledged.setdefault(offset, value) == value, f"seed {self.seed}: two at {offset}"
                replica.acks.remove((offset, epoch, value))

    # -- the wire

    def retry(self) -> None:
        self.retries = [again for again in self.retries if again()]

    def deliver(self) -> None:
        act = self.wire.pop(self.rng.randrange(len(self.wire)))
        chance = self.rng.random()
        if chance < 0.1:
            return
        if chance < 0.2:
            self.wire.append(act)
        act()

    def fetch(self, replica: Replica) -> None:
        partition = replica.partition
        if partition is None or partition.follower is None:
            return
        core, at, leader = partition.follower, partition.follower.position, self.replicas[partition.leader_id]
        want = FetchPartition(0, at.leader_epoch, at.offset, at.last_fetched_epoch, partition.log_start_offset, 1_000)
        epoch = replica.epoch

        def ask() -> None:
            row = self.serve(leader, replica.node, epoch, want)
            if row is not None:
                self.wire.append(lambda: hear(row))

        def hear(row: PartitionData) -> None:
            if replica.partition is not partition or partition.follower is not core:
                return
            before = partition.leo
            left = partition.answered(at, row)
            self.truncations += partition.leo < before
            if isinstance(left, Locate):
                self.locate(replica, partition, at, leader)
            assert not isinstance(left, BackOff) or row.error_code, f"seed {self.seed}: {partition.log.epochs.entries}"

        self.wire.append(ask)

    def serve(self, leader: Replica, node: NodeId, epoch: int, want: FetchPartition) -> PartitionData | None:
        if leader.partition is None:
            return None
        known = self.images[leader.seen].brokers.get(node)
        eligible = known is not None and known.active and known.epoch == epoch
        request = FetchRequest(replica_id=node, isolation_level=0)
        try:
            row = read_one(leader.partition, request, Tracked("t", TOPIC, want), 1_000, True, (node, epoch, eligible))
        except Rejected as e:
            return PartitionData(0, e.code, -1, current_leader=LeaderIdAndEpoch(), records=b"")
        self.settle(leader)
        row.records = bytes(row.records or b"")  # type: ignore[arg-type]
        return row

    def locate(self, replica: Replica, partition: Partition, at: Position, leader: Replica) -> None:
        if leader.partition is not None and leader.partition.leader is not None:
            partition.located(at, leader.partition.log_start_offset, leader.partition.leo)

    # -- what happens

    def step(self) -> None:
        self.clock.now += 1
        rng = self.rng
        replica = self.replicas[rng.choice(NODES)]
        chance = rng.random()
        if self.wire and chance < 0.5:
            self.deliver()
        elif chance < 0.65:
            self.fetch(replica)
        elif chance < 0.8:
            self.produce(replica)
        elif chance < 0.9:
            if replica.partition is not None and replica.seen < len(self.images) - 1:
                self.publish(replica, rng.randint(replica.seen + 1, len(self.images) - 1))
        elif chance < 0.93:
            if replica.partition is not None:
                replica.partition.tick(self.clock.now)
            self.retry()
        else:
            self.trouble(replica, rng.random())

    def trouble(self, replica: Replica, chance: float) -> None:
        down = [each for each in self.replicas.values() if each.partition is None]
        registration = self.image.partition(TOPIC, 0)
        assert registration is not None
        if chance < 0.1:
            self.commit(*brokers.fence(self.image, STATIC, replica.node).records)
        elif chance < 0.4 and replica.partition is not None and replica.seen >= replica.epoch:
            self.unfence(replica)
        elif chance < 0.5 and replica.partition is not None:
            # A host may lose its page cache while another one in sync has all; no more is promised without syncing.
            power = bool(set(registration.isr) - {replica.node}) and self.rng.random() < 0.5
            self.crash(replica, power=power)
            self.commit(*brokers.fence(self.image, STATIC, replica.node).records)
        elif chance < 0.8 and down:
            back = self.rng.choice(down)
            self.register(back)
            self.start(back)
        else:
            self.commit(*recovered(self.image, STATIC, TOPIC, self.replicas))

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self.heal()
        self.judge()

    def heal(self) -> None:
        """Everybody is back, and hears everything, till nothing changes any more."""
        for replica in self.replicas.values():
            if replica.partition is None:
                self.register(replica)
                self.start(replica)
        for _ in range(300):
            self.clock.now += 1
            for replica in self.replicas.values():
                self.publish(replica, len(self.images) - 1)
                self.unfence(replica)
                self.fetch(replica)
            self.commit(*recovered(self.image, STATIC, TOPIC, self.replicas))
            self.retry()
            for act in [self.wire.pop(0) for _ in list(self.wire)]:
                act()

    def judge(self) -> None:
        registration = self.image.partition(TOPIC, 0)
        assert registration is not None
        where = f"seed {self.seed}: {registration}"
        assert registration.leader != NO_LEADER, where
        assert set(registration.isr) == set(NODES), where
        log, *others = (self.content(replica) for replica in self.replicas.values())
        assert all(each == log for each in others), f"{where}: logs differ"
        found = {record.offset: record.value for at, _ in batch.headers(log) for record in batch.records(log, at)}
        lost = {offset: value for offset, value in self.acknowledged.items() if found.get(offset) != value}
        assert not lost, f"{where}: lost {lost}"

    def content(self, replica: Replica) -> bytes:
        partition = replica.partition
        assert partition is not None
        assert partition.hw == partition.leo, f"seed {self.seed}: node {replica.node} at {partition.hw}/{partition.leo}"
        data, offset = b"", partition.log_start_offset
        while offset < partition.hw:
            got = partition.read(offset, 1 << 20, partition.hw, minimum_one=True)
            data, offset = data + bytes(got.data), got.next_offset
        return data
