"""A seeded world of raft nodes: disks that forget, a wire that loses, repeats and reorders, and judges who watch.

A node's disk keeps what was persisted, and of its log what was flushed; a crash, which may fall between any two
effects, keeps of the rest as much as chance likes. The judges see all disks and logs, and know nothing of the core's
inside.
"""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from server.model.errors import ErrorCode
from server.model.ids import DirectoryId, NodeId, RaftEpoch
from server.raft import effects, events, rpc
from server.raft.log import LogView
from server.raft.quorum import Quorum
from server.raft.rpc import FetchedBatch, OffsetAndEpoch
from server.raft.settings import Settings
from server.raft.voters import Endpoint, Peer, ReplicaKey, Voter, VoterHistory, VoterSet
from server.records import control
from tests.sim.raft_judges import Disk, Entry, Judges

LONGEST_STEP = 64  # effects that follow from one event, before somebody runs in a circle


@dataclass(frozen=True)
class Weather:
    """How bad things are, as probabilities and as longest times."""

    settings: Settings
    lost: float
    repeated: float
    late: float
    latest_ms: int
    crash: float
    down_ms: int
    slow_flush_ms: int
    gap_ms: int


# Kafka's own time-outs: much work is done between the misfortunes.
GUSTY = Weather(Settings(request_timeout_ms=700), 0.05, 0.05, 0.05, 3000, 0.001, 4000, 1500, 120)
# Time-outs as short as the messages take: election upon election, answers that are older than three epochs.
STORM = Weather(Settings(40, 40, 80, 60, 5, 20), 0.1, 0.15, 0.2, 300, 0.01, 60, 60, 12)
# Who asked, where, what, and in which life.
Waiting = tuple[NodeId, Peer, rpc.Request, Quorum | None]


def key_of(node: int) -> ReplicaKey:
    return ReplicaKey(NodeId(node), DirectoryId(UUID(int=1000 + node)))


def voter_of(node: int) -> Voter:
    return Voter(key_of(node), (Endpoint("CONTROLLER", f"host{node}", 9000 + node),))


def peer_of(node: int) -> Peer:
    return Peer(NodeId(node), f"host{node}", 9000 + node)


def snapshot_bytes(history: VoterHistory, committed: list[Entry], end: int) -> bytes:
    """A snapshot: all payloads below its end, and the voters as they stand there."""
    version, voters = history.at(end)
    record = [] if voters is None else [part.hex() for part in control.encode(voters.record())]
    rows = [(entry.epoch, entry.payload) for entry in committed[:end]]
    return json.dumps([version, record, rows]).encode()


class World(Judges):
    """`voters` ids vote at first; `observers` only fetch. `dynamic`: voters stand in the log and may change."""

    def __init__(
        self,
        seed: int,
        weather: Weather,
        voters: int,
        observers: int = 0,
        *,
        dynamic: bool = False,
        snapshots: bool = True,
    ) -> None:
        self.rng, self.weather = Random(seed), weather
        self.now_ms = 0
        self.initial = VoterSet(voter_of(node) for node in range(1, voters + 1))
        self.ids = [NodeId(node) for node in range(1, voters + observers + 1)]
        self.dynamic, self.snapshots = dynamic, snapshots
        super().__init__(self.ids)
        self.calm = False
        self.cut: set[tuple[NodeId, NodeId]] = set()
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        self.count = self.crashes = self.cuts = 0
        self.tokens: dict[int, Waiting] = {}
        self.deadlines: dict[NodeId, int] = {}
        self.answers: list[rpc.ChangeVotersResponse] = []
        for node in self.ids:
            self.start(node)

    # Time and the wire.

    def later(self, delay_ms: int, what: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.heap, (self.now_ms + delay_ms, self.count, what))

    def run(self, until_ms: int) -> None:
        """Do what is due, in order of time, up to `until_ms`."""
        while True:
            due = min([(until_ms, NodeId(0)), *((time, node) for node, time in self.deadlines.items())])
            if self.heap and self.heap[0][0] <= min(due[0], until_ms):
                self.now_ms, _, what = heapq.heappop(self.heap)
                what()
            elif due[0] < until_ms:
                self.now_ms = max(self.now_ms, due[0])
                self.step(due[1], events.Ticked())
            else:
                self.now_ms = until_ms
                return

    def carry(
        self, source: NodeId, to: NodeId, deliver: Callable[[], None], lost: Callable[[], None] = lambda: None
    ) -> None:
        """Take a message from one node to another: late, twice, or never."""
        if (source, to) in self.cut or (not self.calm and self.rng.random() < self.weather.lost):
            if self.rng.random() < 0.5:  # sometimes the sender gets to know
                self.later(self.rng.randrange(30), lost)
            return
        delay = 1 + self.rng.randrange(15)
        if not self.calm and self.rng.random() < self.weather.late:
            delay = self.rng.randrange(self.weather.latest_ms)
        self.later(delay, deliver)
        if not self.calm and self.rng.random() < self.weather.repeated:
            self.later(delay + self.rng.randrange(self.weather.latest_ms), deliver)

    # One node's shell.

    def start(self, node: NodeId) -> None:
        """Start a node from its disk."""
        disk = self.disks[node]
        disk.flushed = len(disk.entries)
        history = VoterHistory(self.initial, int(self.dynamic))
        if disk.start:
            latest = max(disk.snapshots)
            first = min(snapshot for snapshot in disk.snapshots if snapshot.offset == disk.start)
            self.load(history, first, disk.snapshots[first])
            assert latest.offset >= disk.start
        for offset, entry in enumerate(disk.entries, disk.start):
            if entry.record is not None:
                history.add(offset, entry.record)
        self.nodes[node] = Quorum(
            key_of(node),
            disk.state,
            LogView(start_offset=disk.start, end_offset=disk.end, epochs=epochs_of(disk), snapshots=disk.snapshots),
            history,
            jitter=self.rng.randrange,
            settings=self.weather.settings,
            bootstrap=[Peer(NodeId(-2 - i), f"host{n}", 9000 + n) for i, n in enumerate(self.initial.ids)],
            endpoints=(Endpoint("CONTROLLER", f"host{node}", 9000 + node),),
        )
        self.step(node, events.Started())

    @staticmethod
    def load(history: VoterHistory, snapshot: OffsetAndEpoch, data: bytes) -> tuple[int, VoterSet | None]:
        version, record, _ = json.loads(data)
        voters = None
        if record:
            found = control.decode(bytes.fromhex(record[0]), bytes.fromhex(record[1]))
            assert isinstance(found, control.Voters)
            voters = VoterSet.of(found)
        history.reset(snapshot.offset, version, voters)
        return version, voters

    def crash(self, node: NodeId) -> None:
        """Forget everything but the disk, and of the disk a part of what was not flushed."""
        disk = self.disks[node]
        disk.cut(disk.start + self.rng.randint(disk.flushed, len(disk.entries)))
        disk.unfinished = b""
        self.nodes[node] = None
        self.crashes += 1
        self.deadlines.pop(node, None)
        self.later(self.rng.randrange(self.weather.down_ms), lambda: self.start(node))

    def step(self, node: NodeId, event: events.Event) -> None:
        todo: list[events.Event] = [event]
        steps = 0
        while todo and (quorum := self.nodes[node]) is not None:
            steps += 1
            assert steps < LONGEST_STEP, f"node {node} runs in a circle"
            for effect in quorum.step(todo.pop(0), self.now_ms):
                if not self.calm and self.rng.random() < self.weather.crash:
                    return self.crash(node)
                todo += self.do(node, quorum, effect)
            if quorum.next_deadline_ms is not None:
                self.deadlines[node] = quorum.next_deadline_ms
            else:
                self.deadlines.pop(node, None)
        return None

    def do(self, node: NodeId, quorum: Quorum, effect: effects.Effect) -> Iterator[events.Event]:
        disk = self.disks[node]
        match effect:
            case effects.Persist(state):
                assert state.epoch >= disk.state.epoch
                disk.state = state
            case effects.Send(peer, request):
                self.send(node, peer, request)
            case effects.Answer(token, response):
                self.answer(node, token, response)
            case effects.AppendControl(controls, base_offset, epoch):
                assert base_offset == disk.end
                self.judge_change(disk, controls, epoch)
                disk.entries += [Entry(epoch, -1, record) for record in controls]
                self.flush_later(node, quorum)
            case effects.AppendFetched(records, base_offset, end_offset):
                assert base_offset == disk.end
                disk.entries += records  # type: ignore[arg-type]  # entries, where Kafka carries bytes
                assert disk.end == end_offset
                self.flush_later(node, quorum)
            case effects.Truncate(end_offset):
                assert disk.start + disk.flushed == disk.end, "the log is cut while it is being flushed"
                disk.cut(end_offset, self.count)
            case effects.StoreSnapshot(_, position, data):
                disk.unfinished = (disk.unfinished if position else b"") + bytes(data)
                assert len(disk.unfinished) == position + len(data)
            case effects.InstallSnapshot(snapshot):
                yield self.install(disk, snapshot)
            case effects.HwAdvanced(offset):
                self.judge_commit(node, quorum, offset)
            case effects.Lead(epoch, _):
                self.judge_leader(node, epoch)

    def install(self, disk: Disk, snapshot: OffsetAndEpoch) -> events.Event:
        data = disk.unfinished
        rows = [tuple(row) for row in json.loads(data)[2]]
        assert rows == [(entry.epoch, entry.payload) for entry in self.committed[: snapshot.offset]]
        disk.snapshots, disk.start, disk.entries, disk.flushed = {snapshot: data}, snapshot.offset, [], 0
        version, voters = self.load(VoterHistory(self.initial), snapshot, data)
        return events.SnapshotInstalled(snapshot, version, voters)

    def flush_later(self, node: NodeId, quorum: Quorum) -> None:
        """A flush takes its time, and covers what was there when it began."""
        disk, end, number = self.disks[node], self.disks[node].end, self.count

        def flushed() -> None:
            if self.nodes[node] is quorum and number >= disk.cut_at:  # an older one had nothing left to do
                assert end <= disk.end, "the log was cut while it was being flushed"
                disk.flushed = max(disk.flushed, end - disk.start)
                self.step(node, events.Flushed(end))

        self.later(self.rng.randrange(20 if self.rng.random() < 0.8 else self.weather.slow_flush_ms), flushed)

    def send(self, source: NodeId, peer: Peer, request: rpc.Request) -> None:
        target = NodeId(peer.port - 9000)
        self.judge_request(source, request)
        asker = self.nodes[source]

        def lost() -> None:
            if self.nodes[source] is asker and asker is not None:
                self.step(source, events.Unanswered(peer, request))

        def deliver() -> None:
            if self.nodes.get(target) is None:
                lost()
            elif isinstance(request, rpc.SupportRequest):
                self.reply(target, (source, peer, request, asker), rpc.SupportResponse(ErrorCode.NONE, 0, 1))
            else:
                self.count += 1
                self.tokens[self.count] = (source, peer, request, asker)
                self.step(target, events.Asked(self.count, request))

        self.carry(source, target, deliver, lost)

    def answer(self, node: NodeId, token: object, response: rpc.Response) -> None:
        assert isinstance(token, int)
        back = self.tokens.pop(token, None)
        assert response_epoch(response) <= self.disks[node].state.epoch, "an epoch was shown before it was on disk"
        if back is not None and isinstance(response, rpc.VoteResponse) and response.granted:
            self.judge_vote(node, back[2])
        if isinstance(response, rpc.ChangeVotersResponse):
            self.answers.append(response)
        if back is None:
            return
        disk = self.disks[node]
        if isinstance(response, rpc.FetchResponse) and response.read_from >= 0:
            response = self.read(disk, response)
        if isinstance(response, rpc.FetchSnapshotResponse) and response.error is ErrorCode.NONE:
            data = disk.snapshots[response.snapshot]
            piece = data[response.position :][: self.rng.randint(1, 4000)]
            response = replace(response, size=len(data), data=piece)
        self.reply(node, back, response)

    def reply(self, node: NodeId, back: Waiting, response: rpc.Response) -> None:
        source, peer, request, asker = back

        def deliver() -> None:
            if self.nodes[source] is asker:
                self.step(source, events.Answered(peer, request, response))

        self.carry(node, source, deliver)

    def read(self, disk: Disk, response: rpc.FetchResponse) -> rpc.FetchResponse:
        """Read some entries, few as often as not: batches of one, and no entry of the next epoch behind them."""
        first = response.read_from - disk.start
        count = min(self.rng.choice((1, 1, 3, 100)), response.read_to - response.read_from)
        entries = disk.entries[first : first + count]
        batches = tuple(
            FetchedBatch(offset, offset + 1, e.epoch, () if e.record is None else ((offset, e.record),))
            for offset, e in enumerate(entries, response.read_from)
        )
        return replace(response, batches=batches, records=entries, read_from=-1, read_to=-1)  # type: ignore[arg-type]

    # What users and administrators do.

    def append(self, node: NodeId, count: int) -> None:
        """A client writes to a node that believes to lead."""
        quorum, disk = self.nodes[node], self.disks[node]
        assert quorum is not None
        disk.entries += [Entry(quorum.epoch, self.rng.getrandbits(30)) for _ in range(count)]
        self.step(node, events.Appended(disk.end))
        self.flush_later(node, quorum)

    def take_snapshot(self, node: NodeId) -> None:
        quorum, disk = self.nodes[node], self.disks[node]
        if quorum is None:
            return
        end = quorum.high_watermark
        if end > disk.start + 5:
            snapshot = OffsetAndEpoch(end, disk.entries[end - 1 - disk.start].epoch)
            disk.snapshots[snapshot] = snapshot_bytes(quorum.history, self.committed, end)
            self.step(node, events.SnapshotTaken(snapshot))
            if self.rng.random() < 0.7 and self.nodes[node] is quorum:
                disk.entries, disk.flushed = disk.entries[end - disk.start :], disk.flushed - (end - disk.start)
                disk.start = end
                disk.snapshots = {snapshot: disk.snapshots[snapshot]}
                self.step(node, events.LogStartMoved(end))

    def change_voters(self, node: NodeId) -> None:
        quorum = self.nodes[node]
        assert quorum is not None
        other = self.rng.choice(self.ids)
        self.count += 1
        if other in quorum.voters.ids:
            voter = quorum.voters.get(other)
            assert voter is not None
            if len(quorum.voters) > 1:
                self.step(node, events.Asked(self.count, rpc.RemoveVoterRequest(voter.key)))
        else:
            self.step(
                node,
                events.Asked(
                    self.count, rpc.AddVoterRequest(voter_of(other), 2 * self.weather.settings.fetch_timeout_ms)
                ),
            )

    def mischief(self) -> None:
        """Something happens."""
        draw = self.rng.random()
        leading = self.leading()
        if self.dynamic and leading and self.rng.random() < 0.1:
            self.change_voters(self.rng.choice(leading))
        elif draw < 0.55 and leading:
            self.append(self.rng.choice(leading), self.rng.randint(1, 4))
        elif draw < 0.65:
            self.partition()
        elif draw < 0.75:
            self.cut.clear()
        elif draw < 0.83:
            node = self.rng.choice(leading or self.ids) if self.rng.random() < 0.6 else self.rng.choice(self.ids)
            if self.nodes[node] is not None:
                self.crash(node)
        elif draw < 0.86 and leading:
            self.step(self.rng.choice(leading), events.Resign())
        elif draw < 0.93 and self.snapshots:
            self.take_snapshot(self.rng.choice(self.ids))

    def partition(self) -> None:
        """Part the nodes in two; sometimes in one direction only."""
        side = {node for node in self.ids if self.rng.random() < 0.5}
        self.cut = {(a, b) for a in side for b in self.ids if b not in side}
        self.cuts += 1
        if self.rng.random() < 0.7:
            self.cut |= {(b, a) for a, b in self.cut}

    def heal(self) -> None:
        """From here on nothing goes wrong."""
        self.calm = True
        self.cut.clear()


def response_epoch(response: rpc.Response) -> int:
    return 0 if isinstance(response, rpc.SupportResponse) else response.epoch


def epochs_of(disk: Disk) -> Iterable[tuple[RaftEpoch, int]]:
    last = None
    for offset, entry in enumerate(disk.entries, disk.start):
        if entry.epoch != last:
            last = entry.epoch
            yield entry.epoch, offset
