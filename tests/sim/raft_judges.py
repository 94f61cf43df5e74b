"""Judges of raft's worlds: they see every disk, log and message, and nothing of the core's inside.

What they hold to: an epoch has one leader, a voter votes once in it, nothing is shown that is not on disk, what was
committed stays and is the same everywhere, and one voter changes at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from server.model.ids import NodeId, RaftEpoch
from server.raft import rpc
from server.raft.quorum import Quorum
from server.raft.rpc import OffsetAndEpoch
from server.raft.state import ElectionState
from server.raft.voters import ReplicaKey, VoterSet
from server.records import control


class Entry(NamedTuple):
    """What a log holds at one offset: the epoch, and either a payload or a control record."""

    epoch: RaftEpoch
    payload: int
    record: control.Control | None = None


@dataclass
class Disk:
    """What survives: of `entries`, from `start` on, the first `flushed` for certain."""

    state: ElectionState = field(default_factory=ElectionState)
    start: int = 0
    entries: list[Entry] = field(default_factory=list)
    flushed: int = 0
    snapshots: dict[OffsetAndEpoch, bytes] = field(default_factory=dict)
    unfinished: bytes = b""
    cut_at: int = 0  # the number of the latest event before the log was cut, with all of it flushed

    @property
    def end(self) -> int:
        return self.start + len(self.entries)

    def cut(self, end: int, number: int = 0) -> None:
        self.cut_at = max(self.cut_at, number)
        del self.entries[end - self.start :]
        self.flushed = min(self.flushed, len(self.entries))

    def durable(self) -> list[Entry]:
        return self.entries[: self.flushed]


class Judges:
    def __init__(self, ids: Iterable[NodeId]) -> None:
        self.disks = {node: Disk() for node in ids}
        self.nodes: dict[NodeId, Quorum | None] = {}
        self.leaders: dict[RaftEpoch, NodeId] = {}
        self.votes: dict[tuple[NodeId, RaftEpoch], ReplicaKey] = {}
        self.committed: list[Entry] = []

    def leading(self) -> list[NodeId]:
        return [node for node, quorum in self.nodes.items() if quorum is not None and quorum.is_leader]

    def judge_request(self, node: NodeId, request: rpc.Request) -> None:
        """What a request shows is on the disk of its sender."""
        disk = self.disks[node]
        if not isinstance(request, rpc.SupportRequest | rpc.AddVoterRequest | rpc.RemoveVoterRequest):
            assert request.epoch <= disk.state.epoch, "an epoch was shown before it was on disk"
        match request:
            case rpc.VoteRequest(epoch, candidate, pre_vote=False):
                assert self.votes.setdefault((node, epoch), candidate) == candidate, "a voter that stands had voted"
            case rpc.FetchRequest(offset=offset):
                assert offset == disk.start + disk.flushed == disk.end, "a fetch counts what is not on disk"

    def judge_vote(self, node: NodeId, request: rpc.Request) -> None:
        """A voter votes once in an epoch, and for a log that is at least as good as its own."""
        assert isinstance(request, rpc.VoteRequest)
        disk = self.disks[node]
        if not request.pre_vote:
            voted = self.votes.setdefault((node, request.epoch), request.candidate)
            assert voted == request.candidate, f"{node} voted twice in epoch {request.epoch}"
        last_epoch = disk.entries[-1].epoch if disk.entries else max([0, *(s.epoch for s in disk.snapshots)])
        assert (request.last.epoch, request.last.offset) >= (last_epoch, disk.end), "a vote for a lesser log"

    def judge_change(self, disk: Disk, controls: tuple[control.Control, ...], epoch: RaftEpoch) -> None:
        """One voter at a time, the change before committed, and an entry of the leader's own epoch."""
        if not isinstance(controls[0], control.Voters):
            return
        assert any(entry.epoch == epoch for entry in self.committed), "voters change before the epoch is committed"
        found = [
            (at, e.record) for at, e in enumerate(disk.entries, disk.start) if isinstance(e.record, control.Voters)
        ]
        for offset, before in found[-1:]:
            assert offset < len(self.committed), "voters change before the last change is committed"
            changed = {v.voter_id for v in before.voters} ^ {v.voter_id for v in controls[0].voters}
            assert len(changed) <= 1, f"more than one voter changes at once: {changed}"

    def judge_voters(self) -> None:
        """Each node goes by the voters of its log."""
        for node, quorum in self.nodes.items():
            if quorum is not None:
                sets = [entry.record for entry in self.disks[node].entries if isinstance(entry.record, control.Voters)]
                if sets:
                    assert quorum.voters == VoterSet.of(sets[-1]), f"{node} goes by other voters than its log"

    def judge_leader(self, node: NodeId, epoch: RaftEpoch) -> None:
        assert self.leaders.setdefault(epoch, node) == node, f"two leaders of epoch {epoch}"
        if epoch < max(self.leaders):
            return  # its votes came late: what was committed since is of a later epoch, and safe from this leader
        log = self.disks[node]
        for offset, entry in enumerate(self.committed):
            if offset >= log.start:
                assert offset < log.end, f"the leader of {epoch} lacks the committed {offset}"
                assert log.entries[offset - log.start] == entry, f"the leader of {epoch} has another {offset}"

    def judge_commit(self, node: NodeId, quorum: Quorum, offset: int) -> None:
        disk = self.disks[node]
        assert disk.start <= offset <= disk.end
        for at in range(disk.start, offset):
            entry = disk.entries[at - disk.start]
            if at < len(self.committed):
                assert self.committed[at] == entry, f"{node} commits another entry at {at}"
            else:
                assert at == len(self.committed)
                self.committed.append(entry)
        if quorum.is_leader:
            self.judge_majority(quorum, offset)

    def judge_majority(self, quorum: Quorum, offset: int) -> None:
        """What a leader commits ends in its own epoch, and lies on the disks of a majority."""
        last = self.committed[offset - 1]
        assert last.epoch == quorum.epoch, f"committed up to {offset}, an entry of epoch {last.epoch}, by counting"
        holding = 0
        for voter in quorum.voters.ids:
            disk = self.disks[voter]
            durable = disk.durable()
            held = disk.start >= offset or (
                disk.start + len(durable) >= offset and durable[offset - 1 - disk.start] == last
            )
            holding += held
        assert holding >= quorum.voters.majority, f"{offset} is on {holding} disks of {len(quorum.voters)}"

    def judge_logs(self) -> None:
        """Equal entries at one offset have equal pasts: logs are prefixes of each other up to where they part."""
        for i, a in enumerate(self.disks.values()):
            for b in list(self.disks.values())[:i]:
                start = max(a.start, b.start)
                first, second = a.entries[start - a.start :], b.entries[start - b.start :]
                agree = [x == y for x, y in zip(first, second, strict=False)]
                same_epoch = [x.epoch == y.epoch for x, y in zip(first, second, strict=False)]
                assert agree == same_epoch, "one epoch put two entries at one offset"
                assert sorted(agree, reverse=True) == agree, "logs that parted met again"

    def judge_end(self) -> None:
        """After a while of calm there is one leader, and everybody has its log and knows it to be committed."""
        leader = self.leading()[-1:]
        assert leader, "nobody leads"
        quorum = self.nodes[leader[0]]
        assert quorum is not None
        for node, other in self.nodes.items():
            assert other is not None
            assert (other.epoch, other.leader_id) == (quorum.epoch, leader[0]), f"{node} follows another"
            assert other.high_watermark == quorum.log.end_offset == len(self.committed), f"{node} is behind"
            assert other.log.end_offset == self.disks[node].end
