"""One partition in a seed: three replicas with the production cores, logs and decisions, over a wire that loses,
repeats and reorders; brokers are fenced, killed and lose their page cache, and the metadata reaches each in its time.

    tally = run(seed)           # raises AssertionError that names what went wrong; one seed, one trace

Fetches are answered by the Fetch handler's own code, ISRs are decided by the controller's. There is no loop and no
clock but the world's steps. Producers and consumers (tests/sim/replica_clients.py) write down what they see. Trouble
prefers the moments that are dangerous: just after an acknowledgement, while an ISR changes, while a follower cuts its
log; then it likes to leave the one to be elected that may be and has least. A crash may fall between any two operations
of a disk, a message may come when nobody expects it any more. Told afterwards by the history checker: nothing
acknowledged is lost or doubled; and by the logs: they agree.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from server.broker.fetching import read_one
from server.broker.partition import Partition
from server.broker.writes import Writes
from server.log.log import Log
from server.model.errors import Rejected
from server.model.ids import NodeId
from server.model.log_settings import LogSettings
from server.records import batch
from server.replication.follower import BackOff, Locate, Position
from server.replication.leader import ProposeIsr
from server.replication.sessions import Tracked
from server.wire.messages.fetch import FetchPartition, FetchRequest, LeaderIdAndEpoch, PartitionData
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper
from tests.sim.replica_clients import PLACE, Reader, Writer
from tests.sim.replica_controller import MAX_LAG_MS, NODES, TOPIC, Controller
from tests.sim.replica_parts import UNREGISTERED, Clock, Died, Replica
from tests.sim.replica_plots import Plots
from tests.sim.replica_troubles import Host, Message, Troubles
from tests.sim.tally import Tally
from tests.support import history
from tests.support.history import FINAL, Event

STEPS = 2_500
HEAL_ROUNDS = 400


class World:
    def __init__(self, seed: int, trace: Callable[[str], None] = lambda line: None) -> None:
        self.seed, self.rng, self.clock, self.trace = seed, Random(seed), Clock(), trace
        self.wire: list[Message] = []
        self.cut: set[tuple[Host, Host]] = set()
        self.retries: list[Callable[[], bool]] = []  # of proposals that nobody has answered
        self.replicas = {node: self._replica(node) for node in NODES}
        self.events: list[Event] = []
        self.tally = Tally()
        self.truncations = 0
        self.late: list[tuple[int, Message]] = []  # messages that come when nobody expects them any more
        self.deaf: dict[NodeId, int] = {}  # who hears no metadata, and until when
        self.lame: dict[NodeId, int] = {}  # who does not fetch, and until when
        self.hot: NodeId | None = None  # who is in the middle of something
        self.controller = Controller(self)
        self.troubles, self.plots = Troubles(self), Plots(self)
        rng = self.rng
        self.writers = [Writer(self, f"w{n}", n, rng.choice([1, 1, 3])) for n in range(rng.randint(1, 3))]
        self.readers = [Reader(self, f"r{n}") for n in range(2)]
        self.gusts = rng.choice([0.005, 0.01, 0.03])  # how often there is trouble
        self.temper = rng.choice([0.0, 0.02, 0.05, 0.1])  # how much of it waits for something that is easy to get wrong
        self.segment_bytes = rng.choice([600, 2_000, 100_000])
        self.plotted = {rng.randrange(STEPS) for _ in range(rng.randint(0, 3))}
        for replica in self.replicas.values():
            self.controller.register(replica)
            self.controller.unfence(replica)
        self.controller.make_topic()
        for replica in self.replicas.values():
            self.start(replica)

    def _replica(self, node: NodeId) -> Replica:
        replica = Replica(node, MemoryDisk(self.clock.timestamp_ms, self.rng))

        def before(operation: str, path: str) -> None:
            if replica.fuse is not None:
                replica.fuse -= 1
                if replica.fuse <= 0:
                    self.tell(f"node {node} dies in {operation} {path.rpartition('/')[2]}")
                    raise Died(replica)

        replica.disk.before = before
        return replica

    def note(self, kind: Any, operation: Any, client: str, **fields: Any) -> None:
        last_ns = self.events[-1].time_ns if self.events else -1
        time_ns = max(self.clock.now * 1_000_000, last_ns + 1)
        self.events.append(Event(kind, operation, time_ns, client, PLACE, **fields))

    def tell(self, line: str) -> None:
        self.trace(f"{self.clock.now / 1000:.6f} {line}")

    @property
    def images(self) -> list[Any]:
        return self.controller.images

    def leader_by(self, index: int) -> NodeId:
        """Who leads by this metadata; anybody where nobody does."""
        registration = self.images[index].partition(TOPIC, 0)
        leader = -1 if registration is None else registration.leader
        return NodeId(leader) if leader >= 0 else self.rng.choice(NODES)

    def leads_now(self, replica: Replica) -> bool:
        """Whether it leads in the epoch that the controller knows, and so has all that is committed."""
        now, partition = self.controller.registration, replica.partition
        known = partition is not None and partition.leader is not None and partition.leader_epoch == now.leader_epoch
        return known and now.leader == replica.node

    # -- brokers

    def start(self, replica: Replica) -> None:
        log = Log.open(
            replica.disk.session(),
            "/data/t-0",
            LogSettings(segment_bytes=self.segment_bytes),
            recovery_point=0,
            log_start_offset=0,
            clean_shutdown=False,
            now_ms=self.clock.now,
            timestamp_ms=self.clock.timestamp_ms(),
            topic_id=TOPIC,
        )
        replica.writes, replica.acks = Writes(), []
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
        self.tell(f"node {replica.node} starts with {log.leo} records, registered as {replica.epoch}")
        self.publish(replica, len(self.images) - 1)

    def publish(self, replica: Replica, index: int) -> None:
        replica.seen = index
        registration = self.images[index].partition(TOPIC, 0)
        partition = replica.partition
        assert partition is not None
        if registration is not None:
            led, leo = partition.leader is not None, partition.leo
            partition.become(registration, replica.node, 2, MAX_LAG_MS)
            if not led and partition.leader is not None:
                self.hot = replica.node
                self.tell(f"node {replica.node} leads epoch {partition.leader_epoch} from {leo}, hw {partition.hw}")
        self.settle(replica)

    def crash(self, replica: Replica, *, power: bool, temper: Temper | None = None) -> None:
        """It is gone, and the controller learns of it at once, or in time."""
        assert replica.partition is not None
        replica.hw = max(replica.hw, replica.partition.hw)
        replica.partition.leader = replica.partition.follower = None  # the dead answer nobody
        self.tell(f"node {replica.node} {'loses power' if power else 'is killed'} at {replica.partition.log.leo}")
        replica.partition, replica.fuse, replica.clean = None, None, UNREGISTERED
        replica.disk.crash(self.rng, temper if power else Temper.KEEP)
        self.tally.kills += not power
        self.tally.power_cuts += power
        self.controller.fence(replica.node)

    def stop(self, replica: Replica) -> None:
        """A clean stop: all is on disk, and the registration is noted."""
        assert replica.partition is not None
        self.tell(f"node {replica.node} stops")
        replica.hw, replica.clean = max(replica.hw, replica.partition.hw), replica.epoch
        replica.partition.close()
        replica.partition.log.close()
        replica.partition, replica.fuse = None, None
        replica.disk.crash(self.rng, Temper.KEEP)
        self.controller.fence(replica.node)

    def settle(self, replica: Replica) -> None:
        """Acknowledge what is committed, as Produce does."""
        partition = replica.partition
        if partition is None or partition.leader is None:
            replica.acks = []
            return
        for row in list(replica.acks):
            offset, epoch, answer = row
            if epoch != partition.leader_epoch:
                replica.acks.remove(row)
            elif partition.hw > offset and not partition.leader.below_min_isr:
                replica.acks.remove(row)
                answer()

    def acked(self, replica: Replica) -> None:
        """An answer that promises something leaves it."""
        self.hot = replica.node

    # -- the wire

    def send(self, source: Host, target: Host, act: Callable[[], None]) -> None:
        self.wire.append((source, target, act))

    def propose(self, replica: Replica, partition: Partition, wanted: ProposeIsr) -> None:
        """Sent until somebody answers, or until the metadata says more."""
        ask, again = self.controller.proposal(replica, partition, wanted)
        self.hot = replica.node
        self.send(replica.node, "controller", ask)
        self.retries.append(again)

    def retry(self) -> None:
        self.retries = [again for again in self.retries if again()]

    def deliver(self) -> None:
        at = self.rng.randrange(len(self.wire))
        self.wire[at], self.wire[-1] = self.wire[-1], self.wire[at]
        row = self.wire.pop()
        chance = self.rng.random()
        if chance < 0.08 or row[:2] in self.cut:
            self.tally.faults += 1
            return
        if chance < 0.16:
            self.tally.faults += 1
            self.wire.append(row)
        elif chance < 0.22:
            self.tally.faults += 1
            self.late.append((self.clock.now + self.rng.randint(10, 150), row))
            if chance < 0.19:
                return
        row[2]()

    def fetch(self, replica: Replica, max_bytes: int = 1_000) -> None:
        partition = replica.partition
        if partition is None or partition.follower is None:
            return
        core, at, leader = partition.follower, partition.follower.position, self.replicas[partition.leader_id]
        want = FetchPartition(
            0, at.leader_epoch, at.offset, at.last_fetched_epoch, partition.log_start_offset, max_bytes
        )
        epoch = replica.epoch

        def ask() -> None:
            row = self.serve(leader, replica.node, epoch, want)
            if row is not None:
                self.send(leader.node, replica.node, lambda: hear(row))

        def hear(row: PartitionData) -> None:
            if replica.partition is not partition or partition.follower is not core:
                return
            before = partition.leo
            left = partition.answered(at, row)
            if partition.leo < before:
                self.truncations += 1
                self.hot = replica.node
                self.tell(f"node {replica.node} cuts its log from {before} to {partition.leo}")
            if isinstance(left, Locate):
                self.locate(replica, partition, at, leader)
            assert not isinstance(left, BackOff) or row.error_code, f"stuck: {partition.log.epochs.entries}"

        self.send(replica.node, leader.node, ask)

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
            before = partition.leo
            partition.located(at, leader.partition.log_start_offset, leader.partition.leo)
            self.tell(f"node {replica.node} was out of range: from {before} to {partition.leo}")

    # -- what happens

    def step(self) -> None:
        now = self.clock.now = self.clock.now + 1
        rng = self.rng
        if self.late:
            self.wire += [row for due, row in self.late if due <= now]
            self.late = [each for each in self.late if each[0] > now]
        if now in self.plotted:
            self.plots.play()
        elif self.hot is not None and rng.random() < self.temper:
            self.troubles.ambush()
        self.go_on(self.replicas[rng.choice(NODES)], rng.random())

    def go_on(self, replica: Replica, chance: float) -> None:
        rng, now = self.rng, self.clock.now
        if chance < self.gusts:
            self.troubles.strike(replica)
        elif chance < 5 * self.gusts:
            self.troubles.recover()
        elif self.wire and rng.random() < 0.6:
            self.deliver()
        elif chance < 0.45:
            if self.lame.get(replica.node, 0) <= now:
                self.fetch(replica)
        elif chance < 0.6:
            rng.choice(self.writers).act()
        elif chance < 0.72:
            rng.choice(self.readers).act()
        elif chance < 0.92:
            hears = replica.partition is not None and self.deaf.get(replica.node, 0) <= now
            if hears and replica.seen < len(self.images) - 1:
                self.publish(replica, rng.randint(replica.seen + 1, len(self.images) - 1))
        else:
            if replica.partition is not None:
                replica.partition.tick(self.clock.now)
            self.retry()

    def rise(self, replica: Replica) -> None:
        self.controller.register(replica)
        self.start(replica)

    def safely(self, act: Callable[[], None]) -> None:
        """Act; who dies over it is dead."""
        try:
            act()
        except Died as died:
            replica = died.replica
            replica.fuse = None
            if replica.partition is None:  # it died while it started
                replica.disk.crash(self.rng, Temper.KEEP)
            else:
                self.crash(replica, power=self.troubles.may_lose_power(replica) and self.rng.random() < 0.5)

    def run(self, steps: int = STEPS) -> Tally:
        for _ in range(steps):
            self.safely(self.step)
        self.heal()
        self.judge()
        self.tally.acknowledged = history.acknowledged(self.events)
        self.tally.read = sum(len(event.rows) for event in self.events)
        self.tally.elections = self.controller.elections
        return self.tally

    def heal(self) -> None:
        """Everybody is back, and hears everything, till nothing changes any more."""
        self.cut.clear()
        self.late.clear()
        self.tell("heal")
        for replica in self.replicas.values():
            replica.fuse = None
            if replica.partition is None:
                self.rise(replica)
        for _ in range(HEAL_ROUNDS):
            self.clock.now += 1
            for replica in self.replicas.values():
                self.publish(replica, len(self.images) - 1)
                self.controller.unfence(replica)
                self.fetch(replica)
            self.controller.recover()
            for writer in self.writers:
                writer.act(may_begin=False)
            self.retry()
            under_way, self.wire = self.wire, []
            for _, _, act in under_way:
                act()
        assert all(writer.idle for writer in self.writers), "unanswered: a producer waits for ever"

    # -- judgement

    def judge(self) -> None:
        registration = self.controller.registration
        assert registration.leader >= 0, f"leaderless: {registration}"
        assert set(registration.isr) == set(NODES), f"under-replicated: {registration}"
        logs = {replica.node: self.content(replica) for replica in self.replicas.values()}
        log = logs[registration.leader]
        found = (
            (r.offset, bytes(r.value or b"").decode()) for at, _ in batch.headers(log) for r in batch.records(log, at)
        )
        self.note("ok", "poll", FINAL, rows=tuple(found), start=0)
        anomalies = history.check(self.events)
        assert not anomalies, "\n".join(map(str, anomalies[:10]))
        assert all(each == log for each in logs.values()), f"different-bytes: {[len(each) for each in logs.values()]}"

    def content(self, replica: Replica) -> bytes:
        partition = replica.partition
        assert partition is not None
        assert partition.hw == partition.leo, f"uncommitted: node {replica.node} at {partition.hw} of {partition.leo}"
        data, offset = b"", partition.log_start_offset
        while offset < partition.hw:
            got = partition.read(offset, 1 << 20, partition.hw, minimum_one=True)
            data, offset = data + bytes(got.data), got.next_offset
        return data


def run(seed: int, steps: int = STEPS, trace: Callable[[str], None] = lambda line: None) -> Tally:
    """Play one world. Raises AssertionError, which names the seed."""
    world = World(seed, trace)
    try:
        return world.run(steps)
    except BaseException as e:
        e.add_note(f"in the replica world of seed {seed}, at step {world.clock.now}")
        raise
