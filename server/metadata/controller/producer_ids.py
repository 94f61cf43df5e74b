"""What the active controller decides about producer ids: brokers get them in blocks, and each id once.

Source: KIP-730.
"""

from server.metadata.controller.decision import Decision
from server.metadata.image import Image
from server.metadata.records import FIRST_PRODUCER_ID, ProducerIdsRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, NodeId, ProducerId
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse

BLOCK_SIZE = 1000
LARGEST_ID = (1 << 63) - 1


def allocate(image: Image, request: AllocateProducerIdsRequest) -> Decision[AllocateProducerIdsResponse]:
    """Give a broker the next block of ids. Raises Rejected: BROKER_ID_NOT_REGISTERED, STALE_BROKER_EPOCH."""
    broker = image.brokers.get(NodeId(request.broker_id))
    if broker is None:
        raise Rejected(
            ErrorCode.BROKER_ID_NOT_REGISTERED, f"No broker registration found for broker id {request.broker_id}"
        )
    if broker.epoch != request.broker_epoch:
        raise Rejected(
            ErrorCode.STALE_BROKER_EPOCH,
            f"Expected broker epoch {broker.epoch}, but got broker epoch {request.broker_epoch}",
        )
    first = FIRST_PRODUCER_ID if image.next_producer_id is None else image.next_producer_id
    if first > LARGEST_ID - BLOCK_SIZE:
        raise Rejected(
            ErrorCode.UNKNOWN_SERVER_ERROR,
            "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
        )
    record = ProducerIdsRecord(
        NodeId(request.broker_id), BrokerEpoch(request.broker_epoch), ProducerId(first + BLOCK_SIZE)
    )
    return Decision((record,), AllocateProducerIdsResponse(producer_id_start=first, producer_id_len=BLOCK_SIZE))
