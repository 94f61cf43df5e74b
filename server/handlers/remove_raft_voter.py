"""RemoveRaftVoter (key 81): a node is no voter of the metadata quorum any longer.

Errors: BROKER_NOT_AVAILABLE, DUPLICATE_VOTER, INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, NOT_LEADER_OR_FOLLOWER,
REQUEST_TIMED_OUT, UNSUPPORTED_VERSION, VOTER_NOT_FOUND.
Source: KIP-853.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse


async def handle(broker: Broker, ctx: Context, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse:
    answer: RemoveRaftVoterResponse = await broker.controller.ask(request)
    return answer
