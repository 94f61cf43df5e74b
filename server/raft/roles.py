"""The roles of a replica, and what each has to remember. Source: KIP-595; KIP-996 (prospective, resigned)."""

from dataclasses import dataclass, field

from server.model.ids import NodeId
from server.raft.leader import Books
from server.raft.voters import Peer, ReplicaKey


@dataclass(slots=True)
class Ballot:
    """An election: who said yes, who said no, and when to ask (again) those who said nothing."""

    granted: set[NodeId] = field(default_factory=set)
    refused: set[NodeId] = field(default_factory=set)
    due_ms: dict[NodeId, int] = field(default_factory=dict)


@dataclass(slots=True)
class Unattached:
    """No leader is known. `deadline_ms`: when to stand for election; None for those who do not vote."""

    deadline_ms: int | None


@dataclass(slots=True)
class Prospective:
    """Asks whether it would be elected, before it disturbs anyone with a higher epoch."""

    deadline_ms: int
    ballot: Ballot = field(default_factory=Ballot)


@dataclass(slots=True)
class Candidate:
    """Stands for election. `lost`: a majority refused; it stands back until the deadline."""

    deadline_ms: int
    ballot: Ballot = field(default_factory=Ballot)
    lost: bool = False


@dataclass(slots=True)
class Follower:
    """Fetches from a leader. `fetched`: at least once in this role, so the leader is known to be alive."""

    leader_id: NodeId
    leader: Peer | None
    deadline_ms: int
    fetched: bool = False


@dataclass(slots=True)
class Leader:
    books: Books


@dataclass(slots=True)
class Resigned:
    """Led this epoch, or led it before a restart; tells the others, then makes way for the next epoch."""

    deadline_ms: int | None
    successors: tuple[ReplicaKey, ...] = ()
    due_ms: dict[NodeId, int] = field(default_factory=dict)


Role = Unattached | Prospective | Candidate | Follower | Leader | Resigned
