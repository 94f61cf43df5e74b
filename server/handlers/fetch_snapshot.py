"""FetchSnapshot (key 59): a replica of the metadata log fetches a piece of a snapshot.

Errors: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST; in the row what the quorum says.
Source: KIP-630, KIP-853 (v1).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.wire.messages.fetch_snapshot import FetchSnapshotRequest, FetchSnapshotResponse


async def handle(broker: Broker, ctx: Context, request: FetchSnapshotRequest) -> FetchSnapshotResponse:
    answer: FetchSnapshotResponse = await broker.controller.ask(request)
    return answer
