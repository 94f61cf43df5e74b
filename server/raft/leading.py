"""Leading: answering fetches, moving the high watermark, making oneself known, noticing that one is alone.

Source: KIP-595, KIP-630 (snapshots), KIP-1166 (a fetch is answered when the follower's high watermark is behind).
"""

from server.model.errors import ErrorCode
from server.model.ids import RaftEpoch
from server.raft.effects import Answer, HwAdvanced
from server.raft.events import Token
from server.raft.leader import MAX_PARKED, Books, Parked
from server.raft.replica import Replica
from server.raft.roles import Leader
from server.raft.rpc import (
    BeginEpochRequest,
    BeginEpochResponse,
    FetchRequest,
    FetchResponse,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    OffsetAndEpoch,
)


class Leading:
    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._parked: dict[Token, Parked] = {}

    def refusal(self, epoch: RaftEpoch) -> ErrorCode:
        """Why a request for the leader of `epoch` cannot be served; NONE if it can."""
        replica = self._replica
        if replica.stopping:
            return ErrorCode.BROKER_NOT_AVAILABLE
        if epoch < replica.epoch:
            return ErrorCode.FENCED_LEADER_EPOCH
        if epoch > replica.epoch:
            return ErrorCode.UNKNOWN_LEADER_EPOCH
        return ErrorCode.NONE if isinstance(replica.role, Leader) else ErrorCode.NOT_LEADER_OR_FOLLOWER

    def _books(self) -> Books:
        role = self._replica.role
        assert isinstance(role, Leader)
        return role.books

    def fetch(self, token: Token, ask: FetchRequest) -> None:
        """Answer a fetch now, or park it until there is something to tell."""
        replica, log = self._replica, self._replica.log
        error = self.refusal(ask.epoch)
        if error is ErrorCode.NONE and not (ask.offset >= 0 and 0 <= ask.last_epoch <= ask.epoch):
            error = ErrorCode.INVALID_REQUEST
        if error is not ErrorCode.NONE:
            replica.emit(Answer(token, self._response(error)))
            return
        books = self._books()
        books.active(ask.replica, replica.voters, replica.now_ms)
        if log.holds(OffsetAndEpoch(ask.offset, ask.last_epoch)):
            books.fetched(ask.replica, replica.voters, ask.offset, log.end_offset, replica.now_ms)
            self.advance()
        if not self._has_news(ask) and ask.max_wait_ms > 0 and len(self._parked) < MAX_PARKED:
            self._parked[token] = Parked(ask, replica.now_ms + ask.max_wait_ms)
        else:
            replica.emit(Answer(token, self._reply(ask)))

    def _has_news(self, ask: FetchRequest) -> bool:
        log = self._replica.log
        return (
            ask.offset != log.end_offset
            or not log.holds(OffsetAndEpoch(ask.offset, ask.last_epoch))
            or ask.high_watermark < log.high_watermark
        )

    def _reply(self, ask: FetchRequest) -> FetchResponse:
        """Say what follows the place in the log that a replica asked for."""
        log = self._replica.log
        place = OffsetAndEpoch(ask.offset, ask.last_epoch)
        if log.is_cut_before(place):
            return self._response(ErrorCode.NONE, snapshot=log.latest_snapshot)
        if not log.holds(place):
            return self._response(ErrorCode.NONE, diverging=log.end_of(ask.last_epoch))
        if ask.offset == log.end_offset:
            return self._response(ErrorCode.NONE)
        return self._response(ErrorCode.NONE, read_from=ask.offset)

    def _response(
        self,
        error: ErrorCode,
        *,
        read_from: int = -1,
        diverging: OffsetAndEpoch | None = None,
        snapshot: OffsetAndEpoch | None = None,
    ) -> FetchResponse:
        replica, log = self._replica, self._replica.log
        leads = isinstance(replica.role, Leader)
        return FetchResponse(
            error,
            replica.epoch,
            replica.leader_id,
            high_watermark=log.high_watermark if leads else -1,
            diverging=diverging,
            snapshot=snapshot,
            read_from=read_from,
            read_to=log.end_offset if read_from >= 0 else -1,
            log_start_offset=log.start_offset if leads else -1,
            leader=replica.leader_peer,
        )

    def fetch_snapshot(self, token: Token, ask: FetchSnapshotRequest) -> None:
        """Let the shell read a piece of a snapshot."""
        replica = self._replica
        error = self.refusal(ask.epoch)
        if error is ErrorCode.NONE:
            self._books().active(ask.replica, replica.voters, replica.now_ms)
            if ask.snapshot not in replica.log.snapshots:
                error = ErrorCode.SNAPSHOT_NOT_FOUND
            elif ask.position < 0:
                error = ErrorCode.POSITION_OUT_OF_RANGE
        known = (replica.epoch, replica.leader_id, ask.snapshot, ask.position)
        replica.emit(Answer(token, FetchSnapshotResponse(error, *known, leader=replica.leader_peer)))

    def appended(self, end_offset: int) -> None:
        replica = self._replica
        if isinstance(replica.role, Leader):
            replica.log.led(end_offset, replica.epoch)
            self._wake()

    def flushed(self, end_offset: int) -> None:
        """Count what is on this node's disk; a leader may commit it."""
        log = self._replica.log
        log.flushed = max(log.flushed, min(end_offset, log.end_offset))
        if isinstance(self._replica.role, Leader):
            self.advance()

    def advance(self) -> None:
        """Raise the high watermark to what a majority holds."""
        replica, log = self._replica, self._replica.log
        offset = self._books().committed(replica.voters, log.flushed)
        if offset > log.high_watermark:
            log.high_watermark = offset
            replica.emit(HwAdvanced(offset))
            self._wake()

    def _wake(self) -> None:
        for token, parked in list(self._parked.items()):
            if self._has_news(parked.request):
                self._answer_parked(token)

    def _answer_parked(self, token: Token) -> None:
        self._replica.emit(Answer(token, self._reply(self._parked.pop(token).request)))

    def left(self) -> None:
        """This node leads no more: nothing is worth waiting for here."""
        for token in self._parked:
            self._replica.emit(Answer(token, self._response(ErrorCode.NOT_LEADER_OR_FOLLOWER)))
        self._parked.clear()

    def due(self) -> None:
        """Answer fetches that waited long enough, tell silent voters who leads, resign without a majority."""
        replica = self._replica
        if not isinstance(replica.role, Leader):
            return
        books = self._books()
        for token in [token for token, parked in self._parked.items() if replica.now_ms >= parked.deadline_ms]:
            self._answer_parked(token)
        for voter, progress in books.others(replica.voters):
            if replica.now_ms >= progress.begin_due_ms:
                progress.begin_due_ms = replica.now_ms + replica.settings.begin_epoch_timeout_ms
                peer = voter.peer(replica.settings.listener)
                if peer is not None:
                    replica.send(peer, BeginEpochRequest(replica.epoch, replica.me.id, voter.key, replica.endpoints))
        abandoned = books.abandoned_ms(replica.voters)
        if abandoned is not None and replica.now_ms >= abandoned:
            replica.to_resigned()

    def begin_answered(self, response: BeginEpochResponse) -> None:
        self._replica.learn(response.epoch, response.leader_id, response.leader)

    def deadline_ms(self) -> int | None:
        replica = self._replica
        if not isinstance(replica.role, Leader):
            return None
        books = self._books()
        times = [parked.deadline_ms for parked in self._parked.values()]
        times += [progress.begin_due_ms for _, progress in books.others(replica.voters)]
        abandoned = books.abandoned_ms(replica.voters)
        if abandoned is not None:
            times.append(abandoned)
        return min(times, default=None)
