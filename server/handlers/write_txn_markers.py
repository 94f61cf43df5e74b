"""WriteTxnMarkers (key 27): end transactions in the partitions that this broker leads.

Sent by the coordinators of transactions, and by an administrator who ends a transaction that nobody else will
(kafka-transactions abort). The codes of partitions are in `marker_writing`.
Source: KIP-98, KIP-664, KIP-1228 (v2).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.broker.marker_writing import write_markers
from server.wire.messages.write_txn_markers import WriteTxnMarkersRequest, WriteTxnMarkersResponse


async def handle(broker: Broker, ctx: Context, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    return await write_markers(broker, request)
