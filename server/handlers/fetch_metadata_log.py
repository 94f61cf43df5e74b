"""Fetch (key 1) on a controller's listener: a replica of the metadata log fetches what follows its end.

Another thing than a broker's Fetch: there are no sessions, and one partition; where two logs part is told by epochs.
Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; in the row what the quorum says.
Source: KIP-595, KIP-630, KIP-853 (v17), KIP-1166 (v18).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.fetch import FetchRequest, FetchResponse


async def handle(broker: Broker, ctx: Context, request: FetchRequest) -> FetchResponse:
    answer: FetchResponse = await broker.controller.ask(request)
    return answer
