"""ElectLeaders (key 43): elect the preferred leader of partitions, or any at all where nobody leads.

Without a list all partitions are meant, and those that need no election are left out of the answer.
Errors: INVALID_REQUEST, NOT_CONTROLLER, POLICY_VIOLATION; each partition its own: ELECTION_NOT_NEEDED,
ELIGIBLE_LEADERS_NOT_AVAILABLE, PREFERRED_LEADER_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION.
Source: KIP-183, KIP-460 (v1: the type of the election).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.metadata.controller import elect_leaders
from server.wire.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse


async def handle(broker: Broker, ctx: Context, request: ElectLeadersRequest) -> ElectLeadersResponse:
    return await broker.controller.decide(lambda image: elect_leaders.elect(image, broker.config.static, request))
