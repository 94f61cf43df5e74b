"""What the replicas of the metadata log ask each other, and answer: raft's own words, free of wire versions.

`server.raft.requests` and `server.raft.responses` turn them into protocol messages and back. A request's `epoch` is the
sender's; a response's `epoch` and `leader_id` are what the answering node knows, also when it refuses.
Source: KIP-595 (Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch), KIP-630 (FetchSnapshot), KIP-853 (voter changes,
endpoints), KIP-996 (pre-vote), KIP-1166 (the fetcher's high watermark).
"""

from dataclasses import dataclass
from typing import NamedTuple

from server.model.errors import ErrorCode
from server.model.ids import DirectoryId, NodeId, RaftEpoch
from server.ports import Buffer
from server.raft.voters import Endpoint, Peer, ReplicaKey, Voter
from server.records.control import Control

UNKNOWN_HW = (1 << 63) - 1
NO_EPOCH = RaftEpoch(-1)


class OffsetAndEpoch(NamedTuple):
    """A place in the log: an exclusive end offset and the epoch of the record before it. Also a snapshot's name."""

    offset: int
    epoch: RaftEpoch


@dataclass(frozen=True, slots=True)
class VoteRequest:
    """Ask `voter` for its vote in `epoch`; a pre-vote asks whether it would, for the epoch after."""

    epoch: RaftEpoch
    candidate: ReplicaKey
    voter: ReplicaKey
    last: OffsetAndEpoch
    pre_vote: bool = False


@dataclass(frozen=True, slots=True)
class VoteResponse:
    error: ErrorCode
    epoch: RaftEpoch
    leader_id: NodeId | None
    granted: bool
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class BeginEpochRequest:
    """The leader of `epoch` makes itself known. `voter` None: an older sender that does not say whom it means."""

    epoch: RaftEpoch
    leader_id: NodeId
    voter: ReplicaKey | None
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class BeginEpochResponse:
    error: ErrorCode
    epoch: RaftEpoch
    leader_id: NodeId | None
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class EndEpochRequest:
    """The leader of `epoch` steps down, and names its successors, the most advanced log first."""

    epoch: RaftEpoch
    leader_id: NodeId
    successors: tuple[ReplicaKey, ...]
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class EndEpochResponse:
    error: ErrorCode
    epoch: RaftEpoch
    leader_id: NodeId | None
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Ask for what follows `offset`, where the last record held is of `last_epoch`.

    high_watermark  what the fetcher knows; UNKNOWN_HW: it does not say
    max_wait_ms     how long the leader may wait when there is nothing to tell
    """

    epoch: RaftEpoch
    replica: ReplicaKey
    offset: int
    last_epoch: RaftEpoch
    high_watermark: int = UNKNOWN_HW
    max_wait_ms: int = 0


class FetchedBatch(NamedTuple):
    """The place of one batch: base offset inclusive, end offset exclusive; the control records in it, by offset."""

    base_offset: int
    end_offset: int
    epoch: RaftEpoch
    controls: tuple[tuple[int, Control], ...] = ()


@dataclass(frozen=True, slots=True)
class FetchResponse:
    """At most one of `diverging`, `snapshot`, `batches` says something.

    diverging   the follower's log left the leader's: here is where the leader's last common epoch ends
    snapshot    the leader's log starts behind the offset: fetch this snapshot first
    batches     what `records` holds. The answering core leaves both empty, and the shell reads the records from
                `read_from` on, inclusive, up to `read_to`, exclusive; both -1: nothing is to be read
    """

    error: ErrorCode
    epoch: RaftEpoch
    leader_id: NodeId | None
    high_watermark: int = -1
    diverging: OffsetAndEpoch | None = None
    snapshot: OffsetAndEpoch | None = None
    batches: tuple[FetchedBatch, ...] = ()
    records: Buffer = b""
    read_from: int = -1
    read_to: int = -1
    log_start_offset: int = -1
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class FetchSnapshotRequest:
    epoch: RaftEpoch
    replica: ReplicaKey
    snapshot: OffsetAndEpoch
    position: int


@dataclass(frozen=True, slots=True)
class FetchSnapshotResponse:
    """`data` lies at `position` of a snapshot of `size` bytes.

    The answering core leaves size and data to the shell, which reads the file, and which answers POSITION_OUT_OF_RANGE
    where the position is not inside it.
    """

    error: ErrorCode
    epoch: RaftEpoch
    leader_id: NodeId | None
    snapshot: OffsetAndEpoch
    position: int = 0
    size: int = -1
    data: Buffer = b""
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class AddVoterRequest:
    voter: Voter
    timeout_ms: int
    ack_when_committed: bool = True


@dataclass(frozen=True, slots=True)
class RemoveVoterRequest:
    voter: ReplicaKey


@dataclass(frozen=True, slots=True)
class UpdateVoterRequest:
    epoch: RaftEpoch
    voter: Voter


@dataclass(frozen=True, slots=True)
class ChangeVotersResponse:
    """The answer to the three above."""

    error: ErrorCode
    message: str | None = None
    epoch: RaftEpoch = NO_EPOCH
    leader_id: NodeId | None = None
    leader: Peer | None = None


@dataclass(frozen=True, slots=True)
class SupportRequest:
    """Ask which kraft.versions a node supports (ApiVersions on the wire), before it becomes a voter."""

    voter: ReplicaKey


@dataclass(frozen=True, slots=True)
class SupportResponse:
    error: ErrorCode
    min_kraft_version: int = 0
    max_kraft_version: int = 0


class ReplicaProgress(NamedTuple):
    """How far a replica is, for DescribeQuorum. Times are monotonic, as `now_ms`; None: never."""

    id: NodeId
    directory_id: DirectoryId
    log_end_offset: int
    last_fetch_ms: int | None
    last_caught_up_ms: int | None


Request = (
    VoteRequest
    | BeginEpochRequest
    | EndEpochRequest
    | FetchRequest
    | FetchSnapshotRequest
    | AddVoterRequest
    | RemoveVoterRequest
    | UpdateVoterRequest
    | SupportRequest
)
Response = (
    VoteResponse
    | BeginEpochResponse
    | EndEpochResponse
    | FetchResponse
    | FetchSnapshotResponse
    | ChangeVotersResponse
    | SupportResponse
)
