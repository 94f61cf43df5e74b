"""What a Quorum is told."""

from collections.abc import Hashable
from dataclasses import dataclass

from server.raft.rpc import OffsetAndEpoch, Request, Response
from server.raft.voters import Peer, VoterSet

Token = Hashable  # the shell's name for a request that waits for its answer


@dataclass(frozen=True, slots=True)
class Started:
    """The first event: begin. A quorum of one leads at once."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed; step with this at `next_deadline_ms`, and harmlessly at any other time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request came in. Its answer leaves as Answer(token, ...), in this step or in a later one."""

    token: Token
    request: Request


@dataclass(frozen=True, slots=True)
class Answered:
    """A peer answered what Send asked. The request comes along, so that late answers are told from current ones."""

    peer: Peer
    request: Request
    response: Response


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What Send asked failed: no connection, time-out, an answer that could not be read.

    refused  nobody listens there: the process is gone, and not merely slow
    """

    peer: Peer
    request: Request
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """The leader's shell appended records of the current epoch: the log now ends at `end_offset`, exclusive."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """What was appended below `end_offset` is on disk. Only then it counts towards the majority."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """This node finished a snapshot of its own. `id.offset` is at most the high watermark."""

    id: OffsetAndEpoch


@dataclass(frozen=True, slots=True)
class SnapshotInstalled:
    """InstallSnapshot is done.

    What the snapshot's control records say: the kraft.version, and the voters if it is 1.
    """

    id: OffsetAndEpoch
    kraft_version: int = 0
    voters: VoterSet | None = None


@dataclass(frozen=True, slots=True)
class LogStartMoved:
    """Records below `offset` were deleted, with the snapshots that ended there; one snapshot ends at or behind it."""

    offset: int


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Raise kraft.version to `version`, so that the voters stand in the log.

    Only where `Quorum.upgrade_refusal` has just said None. The record is committed with the last offset of the log.
    """

    version: int


@dataclass(frozen=True, slots=True)
class Resign:
    """The shell cannot lead any longer (it failed to apply or to write): step down if leading."""


@dataclass(frozen=True, slots=True)
class Stopping:
    """The node shuts down: a leader steps down and names its successors. Answers nothing but refusals from here on."""


Event = (
    Started
    | Ticked
    | Asked
    | Answered
    | Unanswered
    | Appended
    | Flushed
    | SnapshotTaken
    | SnapshotInstalled
    | LogStartMoved
    | Upgrade
    | Resign
    | Stopping
)
