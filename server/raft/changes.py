"""Changes of the voter set: adding, removing, updating one voter at a time, by a record in the log.

The leader makes one change after another: the next waits until the record of the last is committed and an entry of its
own epoch is. A set holds from its append on, for elections and for the high watermark alike.
Source: KIP-853; Ongaro's dissertation, chapter 4, with the fix of 2015 (an entry of the own epoch first).
"""

from dataclasses import dataclass, replace

from server.model.errors import ErrorCode
from server.model.ids import UNASSIGNED_DIR, NodeId, uuid_text
from server.raft.effects import Answer
from server.raft.events import Token
from server.raft.leading import Leading
from server.raft.replica import Replica
from server.raft.roles import Leader
from server.raft.rpc import (
    AddVoterRequest,
    ChangeVotersResponse,
    RemoveVoterRequest,
    SupportRequest,
    SupportResponse,
    UpdateVoterRequest,
)
from server.raft.voters import ReplicaKey, Voter, VoterSet
from server.records.control import KRaftVersion


@dataclass(slots=True)
class _Pending:
    """The change under way. `offset`: of its record, once there is one. `supported`: the new voter said so."""

    token: Token
    deadline_ms: int
    voter: Voter | None = None
    ack_when_committed: bool = True
    supported: bool = False
    offset: int | None = None


class Changes:
    def __init__(self, replica: Replica, leading: Leading) -> None:
        self._replica, self._leading = replica, leading
        self._pending: _Pending | None = None
        self._told: dict[NodeId, Voter] = {}  # what configured voters told this leader of themselves

    def add(self, token: Token, ask: AddVoterRequest) -> None:
        """Add a voter once it is known to speak the kraft.version and to hold the log."""
        replica = self._replica
        voter, listener = ask.voter, replica.settings.listener
        peer = voter.peer(listener)
        error, message = self._refusal("adding", voter.key)
        if error is ErrorCode.NONE and peer is None:
            told = [f"{name}://{host}:{port}" for name, host, port in voter.endpoints]
            error = ErrorCode.INVALID_REQUEST
            message = f"Add voter request didn't include the endpoint ({told}) for the default listener {listener}"
        elif error is ErrorCode.NONE and voter.key.id in replica.voters.ids:
            error = ErrorCode.DUPLICATE_VOTER
            message = f"The voter id for {_name(voter.key)} is already part of the set of voters {_all(replica)}."
        if error is not ErrorCode.NONE or peer is None:
            self._answer(token, error, message)
            return
        self._pending = _Pending(token, replica.now_ms + ask.timeout_ms, voter, ask.ack_when_committed)
        replica.send(peer, SupportRequest(voter.key))

    def support_answered(self, request: SupportRequest, response: SupportResponse) -> None:
        pending, version = self._pending, self._replica.history.kraft_version
        if pending is None or pending.voter is None or pending.voter.key != request.voter or pending.supported:
            return
        if response.error is not ErrorCode.NONE:
            self._finish(
                ErrorCode.REQUEST_TIMED_OUT,
                f"Aborted add voter operation for since API_VERSIONS returned an error {response.error.name}",
            )
        elif not response.min_kraft_version <= version <= response.max_kraft_version:
            levels = f"{response.min_kraft_version}-{response.max_kraft_version}"
            self._finish(
                ErrorCode.INVALID_REQUEST,
                f"Aborted add voter operation for {_name(pending.voter.key)} since the kraft.version range {levels} "
                f"doesn't support the finalized version {version}",
            )
        else:
            key, endpoints = pending.voter.key, pending.voter.endpoints
            pending.voter = Voter(key, endpoints, response.min_kraft_version, response.max_kraft_version)
            pending.supported = True

    def support_unanswered(self, request: SupportRequest) -> None:
        pending = self._pending
        if pending is not None and pending.voter is not None and pending.voter.key == request.voter:
            self._finish(
                ErrorCode.REQUEST_TIMED_OUT, f"New voter {_name(pending.voter.key)} is not ready to receive requests"
            )

    def remove(self, token: Token, ask: RemoveVoterRequest) -> None:
        """Remove a voter. A leader that removes itself leads until that is committed, without counting itself."""
        replica = self._replica
        error, message = self._refusal("removing", ask.voter)
        if error is ErrorCode.NONE:
            voter = replica.voters.get(ask.voter.id)
            if voter is None or voter.key != ask.voter:
                error, message = (
                    ErrorCode.VOTER_NOT_FOUND,
                    f"Cannot remove voter {_name(ask.voter)} from the set of voters {_all(replica)}",
                )
            elif len(replica.voters) == 1:
                error, message = ErrorCode.INVALID_REQUEST, "Cannot remove the last voter."
        if error is not ErrorCode.NONE:
            self._answer(token, error, message)
            return
        self._pending = _Pending(token, replica.now_ms + replica.settings.request_timeout_ms)
        self._append(self._pending, replica.voters.without(ask.voter.id))

    def update(self, token: Token, ask: UpdateVoterRequest) -> None:
        """Take other addresses or versions for a voter; answered once the record is in the leader's log."""
        replica = self._replica
        voter, version = ask.voter, replica.history.kraft_version
        error, message = self._leading.refusal(ask.epoch), None
        if error is ErrorCode.NONE and not self._is_free(version > 0):
            error = ErrorCode.REQUEST_TIMED_OUT
        elif error is ErrorCode.NONE and (voter.key not in replica.voters):
            error = ErrorCode.VOTER_NOT_FOUND
        elif error is ErrorCode.NONE and (
            not voter.min_kraft_version <= version <= voter.max_kraft_version
            or voter.peer(replica.settings.listener) is None
        ):
            error = ErrorCode.INVALID_REQUEST
        if error is ErrorCode.NONE:
            if version > 0:
                self._put(replica.voters.with_voter(voter))
            else:
                configured = replica.voters.get(voter.key.id)
                assert configured is not None
                self._told[voter.key.id] = voter
                replica.history.replace_static(replica.voters.with_voter(replace(voter, key=configured.key)))
        self._answer(token, error, message)

    def upgrade_refusal(self, version: int) -> str | None:
        """Why this leader cannot raise kraft.version to `version`; None: it can."""
        replica = self._replica
        now = replica.history.kraft_version
        if self._leading.refusal(replica.epoch) is not ErrorCode.NONE:
            return "Upgrade kraft version failed because the replica is not the current leader"
        if not self._is_free(True):
            return f"Invalid concurrent upgrade of kraft.version from version {now} to {version}"
        # Whoever has not told its directory since this leader began may be an older node, that could not be told apart.
        ready = [
            voter.key.directory_id != UNASSIGNED_DIR and voter.min_kraft_version <= version <= voter.max_kraft_version
            for voter in self._known().voters
        ]
        if not all(ready):
            return f"Invalid upgrade of kraft.version to {version} because not all of the voters support it"
        return None

    def upgrade(self, version: int) -> None:
        """Put the voters into the log, from where they can be changed. `upgrade_refusal` has been asked before."""
        assert self.upgrade_refusal(version) is None
        replica = self._replica
        assert isinstance(replica.role, Leader)
        replica.append_control(KRaftVersion(version), self._known().record())
        replica.role.books.voters_changed(replica.voters)
        self._leading.advance()

    def _known(self) -> VoterSet:
        """The voters, with what they told of themselves; they stay known by their ids until that is in the log."""
        replica = self._replica
        told = {**self._told, replica.me.id: Voter(replica.me, replica.endpoints)}
        return VoterSet(told.get(voter.key.id, voter) for voter in replica.voters.voters)

    def _refusal(self, doing: str, voter: ReplicaKey) -> tuple[ErrorCode, str | None]:
        """Why no change can begin now."""
        replica = self._replica
        error = self._leading.refusal(replica.epoch)
        if error is not ErrorCode.NONE:
            return error, None
        if voter.id < 0 or voter.directory_id == UNASSIGNED_DIR:
            what = {"adding": "Add", "removing": "Remove"}[doing]
            return ErrorCode.INVALID_REQUEST, f"{what} voter request didn't include a valid voter"
        version = replica.history.kraft_version
        if version < 1:
            return (
                ErrorCode.UNSUPPORTED_VERSION,
                f"Cluster doesn't support {doing} voter because the kraft.version feature is {version}",
            )
        if not self._is_free(True):
            return (
                ErrorCode.REQUEST_TIMED_OUT,
                "Request timed out waiting for leader to handle previous voter change request",
            )
        return ErrorCode.NONE, None

    def _is_free(self, in_log: bool) -> bool:
        """True if nothing is pending, the latest set is committed, and so is an entry of this epoch."""
        role, hw = self._replica.role, self._replica.log.high_watermark
        if not isinstance(role, Leader) or not in_log:
            return True
        committed = self._replica.history.latest_offset < hw and role.books.start_offset < hw
        return self._pending is None and committed

    def due(self) -> None:
        """Append what is ready, answer what is committed, give up what takes too long."""
        replica, pending = self._replica, self._pending
        if pending is None or not isinstance(replica.role, Leader):
            return
        if pending.offset is not None and replica.log.high_watermark > pending.offset:
            self._finish(ErrorCode.NONE)
        elif replica.now_ms >= pending.deadline_ms:
            # A record that is in the log stays there, and may still be committed.
            lags = pending.offset is None and pending.voter is not None
            self._finish(
                ErrorCode.REQUEST_TIMED_OUT,
                f"Aborted add voter operation for {_name(pending.voter.key)} since it is lagging behind"
                if lags and pending.voter is not None
                else "The change of the voters was not finished in time.",
            )
        elif pending.offset is None and pending.supported and _is_ready(replica, pending.voter):
            assert pending.voter is not None
            self._append(pending, replica.voters.with_voter(pending.voter))
            if not pending.ack_when_committed:
                self._finish(ErrorCode.NONE)

    def _append(self, pending: _Pending, voters: VoterSet) -> None:
        pending.offset = self._put(voters)

    def _put(self, voters: VoterSet) -> int:
        replica = self._replica
        assert isinstance(replica.role, Leader)
        offset = replica.append_control(voters.record())
        replica.role.books.voters_changed(replica.voters)
        self._leading.advance()
        return offset

    def settle(self) -> None:
        """Step down when a set without this node is committed."""
        replica = self._replica
        committed = replica.history.latest_offset < replica.log.high_watermark
        if isinstance(replica.role, Leader) and not replica.is_voter and committed:
            replica.to_resigned()

    def left(self) -> None:
        """This node leads no more: whoever follows knows what became of the change."""
        self._told.clear()
        self._finish(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def deadline_ms(self) -> int | None:
        return None if self._pending is None else self._pending.deadline_ms

    def _finish(self, error: ErrorCode, message: str | None = None) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._answer(pending.token, error, message)

    def _answer(self, token: Token, error: ErrorCode, message: str | None) -> None:
        replica = self._replica
        known = (replica.epoch, replica.leader_id, replica.leader_peer)
        replica.emit(Answer(token, ChangeVotersResponse(error, message, *known)))


def _is_ready(replica: Replica, voter: Voter | None) -> bool:
    """True if the new voter holds the log, so that the majority does not have to wait for it."""
    role = replica.role
    if voter is None or not isinstance(role, Leader):
        return False
    return role.books.is_caught_up(voter.key, replica.log.end_offset, replica.now_ms)


def _name(key: ReplicaKey) -> str:
    directory = "<undefined>" if key.directory_id == UNASSIGNED_DIR else uuid_text(key.directory_id)
    return f"ReplicaKey(id={key.id}, directoryId={directory})"


def _all(replica: Replica) -> str:
    return f"[{', '.join(_name(voter.key) for voter in replica.voters.voters)}]"
