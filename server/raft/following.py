"""Following: fetching the leader's log and its snapshots, and looking for a leader where none is known.

One fetch is out at a time. Whether an answer is current is not told by its number but by its content: it must answer
what this node would ask now, so that late and repeated answers do no harm. Source: KIP-595, KIP-630, KIP-853 (bootstrap
servers, UpdateVoter), KIP-1186 (auto-join).
"""

from server.model.errors import ErrorCode
from server.model.ids import UNASSIGNED_DIR
from server.raft.effects import AppendFetched, HwAdvanced, InstallSnapshot, StoreSnapshot, Truncate
from server.raft.replica import Replica
from server.raft.roles import Follower, Unattached
from server.raft.rpc import (
    AddVoterRequest,
    ChangeVotersResponse,
    FetchRequest,
    FetchResponse,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    OffsetAndEpoch,
    RemoveVoterRequest,
    UpdateVoterRequest,
)
from server.raft.voters import Peer, Voter

UPDATE_VOTER_ROUNDS = 3  # fetch time-outs between two attempts to correct what the voter set says of this node


class Following:
    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._due_ms = 0
        self._sent_ms = 0
        self._update_due_ms = 0
        self._told = False  # this leader knows this voter's directory and addresses
        self._snapshot: tuple[OffsetAndEpoch, int] | None = None
        self.installing: OffsetAndEpoch | None = None

    def entered(self) -> None:
        """The role changed: ask at once."""
        self._due_ms = self._replica.now_ms
        replica = self._replica
        self._told = False
        self._update_due_ms = replica.now_ms + replica.settings.fetch_timeout_ms  # by then it has the leader's set
        self._snapshot = None

    @property
    def _update_period_ms(self) -> int:
        return UPDATE_VOTER_ROUNDS * self._replica.settings.fetch_timeout_ms

    def _request(self) -> FetchRequest | FetchSnapshotRequest:
        """What this node asks now."""
        replica = self._replica
        if self._snapshot is not None:
            return FetchSnapshotRequest(replica.epoch, replica.me, *self._snapshot)
        last, hw = replica.log.last, replica.log.high_watermark
        wait_ms = replica.settings.fetch_max_wait_ms
        return FetchRequest(replica.epoch, replica.me, last.offset, last.epoch, hw, wait_ms)

    def _is_current(self, request: FetchRequest | FetchSnapshotRequest) -> bool:
        now = self._request()
        if isinstance(request, FetchRequest) and isinstance(now, FetchRequest):
            # The high watermark may have risen since, and is no part of what was asked for.
            return (request.epoch, request.offset, request.last_epoch) == (now.epoch, now.offset, now.last_epoch)
        return request == now

    def due(self) -> None:
        replica = self._replica
        if not self._is_on():
            return
        if replica.now_ms >= self._due_ms:
            peer = self._peer()
            self._due_ms = replica.now_ms + replica.settings.request_timeout_ms
            self._sent_ms = replica.now_ms
            if peer is not None:
                replica.send(peer, self._request())
        self._tell_oneself()

    def deadline_ms(self) -> int | None:
        return self._due_ms if self._is_on() else None

    def _is_on(self) -> bool:
        """Whether to fetch; not before what is held is on disk, for a fetch acknowledges it."""
        log = self._replica.log
        on = self.installing is None and not self._replica.stopping and log.flushed >= log.end_offset
        return on and isinstance(self._replica.role, Follower | Unattached)

    def _peer(self) -> Peer | None:
        """The leader; any node that may know it where there is none, or where it has been silent for an observer."""
        replica = self._replica
        match replica.role:
            case Follower(leader=Peer() as leader, deadline_ms=deadline):
                if replica.stands or replica.now_ms < deadline:
                    return leader
        known = [replica.voter_peer(node) for node in sorted(replica.voters.ids - {replica.me.id})]
        choices = [*replica.bootstrap, *(peer for peer in known if peer is not None)]
        return choices[replica.jitter(len(choices))] if choices else None

    def unanswered(self, request: FetchRequest | FetchSnapshotRequest) -> None:
        if self._is_current(request):
            self._back_off()

    def _back_off(self) -> None:
        self._due_ms = self._replica.now_ms + self._replica.settings.retry_backoff_ms

    def fetched(self, request: FetchRequest, response: FetchResponse) -> None:
        replica = self._replica
        before = replica.role
        if not replica.learn(response.epoch, response.leader_id, response.leader):
            return self.unanswered(request)
        role = replica.role
        if role is not before or not self._is_current(request) or self.installing is not None:
            return None  # a leader that was just found is asked at once
        if response.error is not ErrorCode.NONE or not isinstance(role, Follower):
            return self._back_off()
        self._heard(role)
        self._due_ms = replica.now_ms
        if response.diverging is not None:
            return self._diverged(response.diverging)
        if response.snapshot is not None:
            return self._behind(response.snapshot)
        return self._take(response)

    def _heard(self, role: Follower) -> None:
        role.fetched = True
        role.deadline_ms = self._replica.now_ms + self._replica.settings.fetch_timeout_ms

    def _diverged(self, leader_end: OffsetAndEpoch) -> None:
        """Cut off what the leader does not have; the next fetch may have to cut more."""
        replica = self._replica
        point = replica.log.truncation_point(leader_end)
        if not replica.log.high_watermark <= point < replica.log.end_offset:
            # No sound leader says that committed records diverge; whatever this is, it is not worth the log.
            return self._back_off()
        replica.log.truncate_to(point)
        replica.history.truncate_to(point)
        replica.emit(Truncate(point))
        return None

    def _behind(self, snapshot: OffsetAndEpoch) -> None:
        if snapshot.offset <= self._replica.log.high_watermark:
            return self._back_off()
        self._snapshot = (snapshot, 0)
        return None

    def _take(self, response: FetchResponse) -> None:
        """Append what came, and follow the high watermark as far as the own log goes."""
        replica = self._replica
        log = replica.log
        if response.batches:
            expected, epoch = log.last
            for batch in response.batches:
                if batch.base_offset != expected or not epoch <= batch.epoch <= replica.epoch:
                    return self._back_off()
                expected, epoch = batch.end_offset, batch.epoch
            replica.emit(AppendFetched(response.records, log.end_offset, expected))
            log.followed(response.batches)
            for batch in response.batches:
                for offset, record in batch.controls:
                    replica.history.add(offset, record)
        hw = min(response.high_watermark, log.end_offset)
        if hw > log.high_watermark:
            log.high_watermark = hw
            replica.emit(HwAdvanced(hw))
        elif not response.batches and replica.now_ms - self._sent_ms < replica.settings.retry_backoff_ms:
            self._back_off()  # a leader that neither has news nor waits for some must not be asked in a circle
        return None

    def snapshot_fetched(self, request: FetchSnapshotRequest, response: FetchSnapshotResponse) -> None:
        replica = self._replica
        if not replica.learn(response.epoch, response.leader_id, response.leader) or not self._is_current(request):
            return None
        role = replica.role
        if not isinstance(role, Follower) or self._snapshot is None:
            return None
        snapshot, position = self._snapshot
        if response.error is not ErrorCode.NONE or response.snapshot != snapshot or response.position != position:
            self._snapshot = None  # it may be gone: the next fetch tells of another
            return self._back_off()
        self._heard(role)
        self._due_ms = replica.now_ms
        end = position + len(response.data)
        if not response.data or end > response.size:
            return self._back_off()
        replica.emit(StoreSnapshot(snapshot, position, response.data))
        self._snapshot = (snapshot, end)
        if end == response.size:
            self._snapshot = None
            self.installing = snapshot
            replica.log.start_at(snapshot)
            replica.emit(InstallSnapshot(snapshot))
        return None

    def installed(self) -> None:
        self.installing = None
        self._due_ms = self._replica.now_ms

    def _tell_oneself(self) -> None:
        """Tell the leader what its voter set has not, or not rightly: this voter's addresses, or this voter at all.

        Where the voters are configured, every leader is told once: it needs the directories of all for an upgrade.
        """
        replica = self._replica
        role = replica.role
        if replica.now_ms < self._update_due_ms or not isinstance(role, Follower) or role.leader is None:
            return
        self._update_due_ms = replica.now_ms + self._update_period_ms
        in_log = replica.history.kraft_version > 0
        mine = replica.voters.get(replica.me.id)
        if replica.me.directory_id == UNASSIGNED_DIR or not replica.endpoints:
            return
        wanted = Voter(replica.me, replica.endpoints)
        if replica.is_voter:
            if wanted != mine if in_log else not self._told:
                replica.send(role.leader, UpdateVoterRequest(replica.epoch, wanted))
        elif in_log and replica.settings.auto_join:
            if mine is not None:  # an earlier disk of this node, that nobody will see again
                replica.send(role.leader, RemoveVoterRequest(mine.key))
            else:
                timeout_ms = replica.settings.request_timeout_ms
                replica.send(role.leader, AddVoterRequest(wanted, timeout_ms, ack_when_committed=False))

    def updated(self, request: UpdateVoterRequest, response: ChangeVotersResponse) -> None:
        """The leader of `request.epoch` knows this voter now, or does not."""
        if request.epoch == self._replica.epoch and response.error is ErrorCode.NONE:
            self._told = True
