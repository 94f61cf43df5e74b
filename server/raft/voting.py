"""Elections: granting votes, asking for them, and what a resigning or a new leader says.

Source: KIP-595 (Vote, BeginQuorumEpoch, EndQuorumEpoch), KIP-996 (pre-vote), KIP-853 (votes by replica key).
"""

from server.model.errors import ErrorCode
from server.model.ids import NodeId, RaftEpoch
from server.raft.replica import Replica
from server.raft.roles import Ballot, Candidate, Follower, Leader, Prospective, Resigned, Unattached
from server.raft.rpc import (
    BeginEpochRequest,
    BeginEpochResponse,
    EndEpochRequest,
    EndEpochResponse,
    VoteRequest,
    VoteResponse,
)
from server.raft.voters import Peer, may_be

GONE_JITTER = 5  # times retry_backoff_ms: how far those who miss a leader are spread


class Voting:
    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def asked(self, ask: VoteRequest) -> VoteResponse:
        """Answer a candidate. A granted vote is persisted by an effect that comes before the answer."""
        replica = self._replica
        # A candidate's epoch is above its log's; one that asks in advance stands in the epoch of its log at least.
        if min(ask.epoch, ask.last.epoch, ask.last.offset) < 0 or ask.last.epoch > ask.epoch - (not ask.pre_vote):
            return self._vote(ErrorCode.INVALID_REQUEST)
        if ask.epoch < replica.epoch:
            return self._vote(ErrorCode.FENCED_LEADER_EPOCH)
        if not replica.is_addressed(ask.voter):
            return self._vote(ErrorCode.INVALID_VOTER_KEY)
        if ask.epoch > replica.epoch:
            replica.to_unattached(ask.epoch)
        last = replica.log.last
        up_to_date = (ask.last.epoch, ask.last.offset) >= (last.epoch, last.offset)
        if ask.pre_vote:
            return self._vote(ErrorCode.NONE, up_to_date and self._would_elect())
        granted = self._may_vote_for(ask, up_to_date)
        if granted and replica.state.voted is None:
            replica.to_unattached(ask.epoch, ask.candidate, patient=True)
        return self._vote(ErrorCode.NONE, granted)

    def _would_elect(self) -> bool:
        """Whether this node sees no leader alive, so that an election would disturb nobody."""
        match self._replica.role:
            case Leader():
                return False
            case Follower(fetched=fetched):
                return not fetched
        return True

    def _may_vote_for(self, ask: VoteRequest, up_to_date: bool) -> bool:
        replica = self._replica
        if not isinstance(replica.role, Unattached | Prospective) or replica.state.leader_id is not None:
            return False
        if replica.state.voted is not None:
            return may_be(replica.state.voted, ask.candidate)
        return up_to_date

    def _vote(self, error: ErrorCode, granted: bool = False) -> VoteResponse:
        replica = self._replica
        return VoteResponse(error, replica.epoch, replica.leader_id, granted, replica.leader_peer)

    def answered(self, request: VoteRequest, response: VoteResponse) -> None:
        """Count a vote, if it is for the election that is on."""
        replica = self._replica
        if not replica.learn(response.epoch, response.leader_id, response.leader):
            return
        ballot = self._ballot_of(request)
        if ballot is None or request.voter.id not in ballot.due_ms:
            return
        if response.error is not ErrorCode.NONE:
            ballot.due_ms[request.voter.id] = replica.now_ms + replica.settings.retry_backoff_ms
            return
        del ballot.due_ms[request.voter.id]
        (ballot.granted if response.granted else ballot.refused).add(request.voter.id)
        self._count(ballot)

    def _count(self, ballot: Ballot) -> None:
        replica = self._replica
        voters = replica.voters
        if replica.has_won(ballot):
            if isinstance(replica.role, Prospective):
                replica.to_candidate()
            else:
                replica.to_leader()
        elif len(voters) - len(ballot.refused & voters.ids) < voters.majority:
            self._lost()

    def _lost(self) -> None:
        replica = self._replica
        match replica.role:
            case Candidate(lost=False) as candidate:
                candidate.lost = True
                wait_ms = 1 + replica.jitter(replica.settings.election_backoff_max_ms)
                candidate.deadline_ms = replica.now_ms + wait_ms
            case Prospective():
                self._stand_back()

    def _stand_back(self) -> None:
        """Nobody would elect this node: go back to the leader, or wait for one."""
        replica = self._replica
        if replica.state.leader_id is None:
            replica.to_unattached(replica.epoch, patient=True)
        else:
            replica.to_follower(replica.epoch, replica.state.leader_id, replica.leader_peer)

    def unanswered(self, request: VoteRequest) -> None:
        ballot = self._ballot_of(request)
        if ballot is not None and request.voter.id in ballot.due_ms:
            ballot.due_ms[request.voter.id] = self._replica.now_ms + self._replica.settings.retry_backoff_ms

    def _ballot_of(self, request: VoteRequest) -> Ballot | None:
        replica = self._replica
        if request.epoch != replica.epoch:
            return None
        match replica.role:
            case Prospective(ballot=ballot) if request.pre_vote:
                return ballot
            case Candidate(ballot=ballot) if not request.pre_vote:
                return ballot
        return None

    def began(self, ask: BeginEpochRequest) -> BeginEpochResponse:
        """A leader makes itself known."""
        replica = self._replica
        error = ErrorCode.NONE
        if ask.epoch < 0 or ask.leader_id < 0 or ask.leader_id == replica.me.id:
            error = ErrorCode.INVALID_REQUEST
        elif ask.epoch < replica.epoch:
            error = ErrorCode.FENCED_LEADER_EPOCH
        elif not replica.is_addressed(ask.voter):
            error = ErrorCode.INVALID_VOTER_KEY
        elif ask.epoch == replica.epoch and replica.state.leader_id not in (None, ask.leader_id):
            error = ErrorCode.INVALID_REQUEST  # an epoch has one leader, and this is not it
        else:
            replica.learn(ask.epoch, ask.leader_id, self._peer(ask))
        return BeginEpochResponse(error, replica.epoch, replica.leader_id, replica.leader_peer)

    def _peer(self, ask: BeginEpochRequest | EndEpochRequest) -> Peer | None:
        """Where the leader says that it listens; endpoints of older senders are empty."""
        for endpoint in ask.endpoints:
            if endpoint.name == self._replica.settings.listener or len(ask.endpoints) == 1:
                return Peer(ask.leader_id, endpoint.host, endpoint.port)
        return None

    def ended(self, ask: EndEpochRequest) -> EndEpochResponse:
        """The leader steps down: the first successor stands at once, the others one after another."""
        replica = self._replica
        error = ErrorCode.NONE
        if ask.epoch < 0 or ask.leader_id < 0 or ask.leader_id == replica.me.id:
            error = ErrorCode.INVALID_REQUEST
        elif ask.epoch < replica.epoch:
            error = ErrorCode.FENCED_LEADER_EPOCH
        elif ask.epoch == replica.epoch and replica.state.leader_id not in (None, ask.leader_id):
            error = ErrorCode.INVALID_REQUEST
        else:
            replica.learn(ask.epoch, ask.leader_id, self._peer(ask))
            if isinstance(replica.role, Follower):
                replica.role.fetched = False  # that leader is no reason any more to refuse a pre-vote
                replica.role.deadline_ms = min(replica.role.deadline_ms, replica.now_ms + self._rank_ms(ask))
        return EndEpochResponse(error, replica.epoch, replica.leader_id, replica.leader_peer)

    def gone(self, peer: Peer) -> None:
        """Nobody listens at `peer`: a leader that was there leads no more, so do not wait until it is missed.

        If it comes back it has resigned, and one that is merely slow refuses nobody; a wrong guess costs a pre-vote, or
        an observer, which asks around for the next leader at once, a question.
        """
        replica = self._replica
        role = replica.role
        if isinstance(role, Follower) and role.leader == peer:
            role.fetched = False
            wait_ms = replica.jitter(GONE_JITTER * replica.settings.retry_backoff_ms) if replica.stands else 0
            role.deadline_ms = min(role.deadline_ms, replica.now_ms + wait_ms)

    def _rank_ms(self, ask: EndEpochRequest) -> int:
        """How long to leave the field to better successors: nothing for the first, then twice as long for each."""
        settings = self._replica.settings
        names = [successor.id for successor in ask.successors]
        rank = names.index(self._replica.me.id) if self._replica.me.id in names else len(names)
        if rank == 0:
            return 0
        longest = settings.election_backoff_max_ms
        return min(longest, settings.retry_backoff_ms << rank) + self._replica.jitter(settings.retry_backoff_ms)

    def due(self) -> None:
        """Do what the time asks for: stand for election, ask those who have not answered, make way."""
        replica = self._replica
        deadline = replica.role.deadline_ms if not isinstance(replica.role, Leader) else None
        if deadline is not None and replica.now_ms >= deadline:
            self._timed_out()
        match replica.role:
            case Prospective(ballot=ballot) | Candidate(ballot=ballot, lost=False):
                self._ask(ballot)
            case Resigned() as resigned:
                self._tell_end(resigned)

    def _timed_out(self) -> None:
        replica = self._replica
        if replica.stopping:
            replica.role = Unattached(None)
            return
        match replica.role:
            case Resigned():
                # The epoch after: in its own, a former leader must not vote.
                replica.to_unattached(RaftEpoch(replica.epoch + 1))
            case Unattached() as unattached if not replica.stands:
                unattached.deadline_ms = None
            case Follower() if not replica.stands:
                pass  # an observer looks for the leader elsewhere, see Following
            case Prospective() if replica.stands:
                self._stand_back()
            case _ if replica.stands:
                replica.to_prospective()
            case _:
                self._stand_back()

    def _ask(self, ballot: Ballot) -> None:
        replica = self._replica
        for node, due in ballot.due_ms.items():
            if replica.now_ms < due:
                continue
            ballot.due_ms[node] = replica.now_ms + replica.settings.request_timeout_ms
            peer, voter = replica.voter_peer(node), replica.voters.get(node)
            if peer is not None and voter is not None:
                pre_vote = isinstance(replica.role, Prospective)
                replica.send(peer, VoteRequest(replica.epoch, replica.me, voter.key, replica.log.last, pre_vote))

    def _tell_end(self, resigned: Resigned) -> None:
        replica = self._replica
        for node, due in resigned.due_ms.items():
            if replica.now_ms < due:
                continue
            resigned.due_ms[node] = replica.now_ms + replica.settings.request_timeout_ms
            peer = replica.voter_peer(node)
            if peer is not None:
                ask = EndEpochRequest(replica.epoch, replica.me.id, resigned.successors, replica.endpoints)
                replica.send(peer, ask)

    def end_answered(self, peer: NodeId, response: EndEpochResponse) -> None:
        replica = self._replica
        if replica.learn(response.epoch, response.leader_id, response.leader) and isinstance(replica.role, Resigned):
            replica.role.due_ms.pop(peer, None)

    def deadline_ms(self) -> int | None:
        """When `due` has something to do."""
        role = self._replica.role
        match role:
            case Leader():
                return None
            case Prospective(deadline, ballot) | Candidate(deadline, ballot, False):
                return min(deadline, *ballot.due_ms.values(), deadline)
            case Resigned(deadline_ms=deadline, due_ms=due) if deadline is not None:
                return min(deadline, *due.values(), deadline)
            case Follower(deadline_ms=deadline) if not self._replica.stands:
                return None
        return role.deadline_ms
