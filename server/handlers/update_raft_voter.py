"""UpdateRaftVoter (key 82): a voter says where it listens and what it supports.

Errors: BROKER_NOT_AVAILABLE, DUPLICATE_VOTER, INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, NOT_LEADER_OR_FOLLOWER,
REQUEST_TIMED_OUT, UNSUPPORTED_VERSION, VOTER_NOT_FOUND.
Source: KIP-853.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.update_raft_voter import UpdateRaftVoterRequest, UpdateRaftVoterResponse


async def handle(broker: Broker, ctx: Context, request: UpdateRaftVoterRequest) -> UpdateRaftVoterResponse:
    answer: UpdateRaftVoterResponse = await broker.controller.ask(request)
    return answer
