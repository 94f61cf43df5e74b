"""AddRaftVoter (key 80): make a node a voter of the metadata quorum.

Errors: BROKER_NOT_AVAILABLE, DUPLICATE_VOTER, INCONSISTENT_CLUSTER_ID, INVALID_REQUEST, NOT_LEADER_OR_FOLLOWER,
REQUEST_TIMED_OUT, UNSUPPORTED_VERSION, VOTER_NOT_FOUND.
Source: KIP-853.
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse


async def handle(broker: Broker, ctx: Context, request: AddRaftVoterRequest) -> AddRaftVoterResponse:
    answer: AddRaftVoterResponse = await broker.controller.ask(request)
    return answer
