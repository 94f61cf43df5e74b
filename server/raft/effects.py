"""What a Quorum wants done.

The shell does the effects of a step in their order, each to its end, before it steps again, or the node dies: the core
takes for done what it has told. So a Persist or a Truncate is on disk before a later Send leaves. Appends alone may be
flushed later: what is not flushed the core neither counts nor acknowledges, and it waits for Flushed.
"""

from dataclasses import dataclass

from server.model.ids import NodeId, RaftEpoch
from server.ports import Buffer
from server.raft.events import Token
from server.raft.rpc import OffsetAndEpoch, Request, Response
from server.raft.state import ElectionState
from server.raft.voters import Peer
from server.records.control import Control


@dataclass(frozen=True, slots=True)
class Persist:
    """Write quorum-state, durably."""

    state: ElectionState


@dataclass(frozen=True, slots=True)
class Send:
    """Send once; then step with Answered or Unanswered. The core resends by itself after a time-out."""

    peer: Peer
    request: Request


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the request that was Asked with this token.

    See FetchResponse and FetchSnapshotResponse for what to fill in.
    """

    token: Token
    response: Response


@dataclass(frozen=True, slots=True)
class AppendControl:
    """Append these as one control batch of `epoch` at `base_offset`, the end of the log; flush; step with Flushed.

    The core already counts them as appended, so there is no Appended for them.
    """

    controls: tuple[Control, ...]
    base_offset: int
    epoch: RaftEpoch


@dataclass(frozen=True, slots=True)
class AppendFetched:
    """Append a leader's batches as they are; flush; step with Flushed.

    The next Fetch says that they are on disk, so it is not sent before.
    """

    records: Buffer
    base_offset: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cut the log, durably, so that it ends at `end_offset`, exclusive. Never below the high watermark."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """Write `data` at `position` of the unfinished snapshot `id`; position 0 begins it anew."""

    id: OffsetAndEpoch
    position: int
    data: Buffer


@dataclass(frozen=True, slots=True)
class InstallSnapshot:
    """The unfinished snapshot is whole: finish it durably, cut the log fully to start at its end, load it.

    Then step with SnapshotInstalled, before any other event.
    """

    id: OffsetAndEpoch


@dataclass(frozen=True, slots=True)
class HwAdvanced:
    """Records below `offset` are committed, and always will be: apply them."""

    offset: int


@dataclass(frozen=True, slots=True)
class Lead:
    """This node leads `epoch`. It may decide once it has applied everything below `start_offset` and the first record
    of the epoch is committed: HwAdvanced beyond `start_offset`."""

    epoch: RaftEpoch
    start_offset: int


@dataclass(frozen=True, slots=True)
class Follow:
    """This node does not lead (any longer): `leader_id` does, or nobody that it knows of.

    Forget the uncommitted tail.
    """

    leader_id: NodeId | None
    epoch: RaftEpoch


Effect = (
    Persist
    | Send
    | Answer
    | AppendControl
    | AppendFetched
    | Truncate
    | StoreSnapshot
    | InstallSnapshot
    | HwAdvanced
    | Lead
    | Follow
)
