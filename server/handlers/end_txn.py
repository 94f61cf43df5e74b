"""EndTxn (key 26): a producer commits or aborts its transaction.

Answered when the outcome is decided for good; the markers follow. From version 5 on (transactions v2) the answer has
the epoch, and perhaps the producer id, that the producer goes on with.

Errors: CONCURRENT_TRANSACTIONS, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, INVALID_PRODUCER_EPOCH (for
PRODUCER_FENCED before v2), INVALID_PRODUCER_ID_MAPPING, INVALID_REQUEST, INVALID_TXN_STATE, NOT_COORDINATOR,
PRODUCER_FENCED.
Source: KIP-98, KIP-588 (v2), KIP-890 (v5).
"""

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.coordination import Producer
from server.model.errors import ErrorCode, Rejected
from server.txn.ending import Wanted
from server.txn.state import TV2
from server.wire.messages.end_txn import EndTxnRequest, EndTxnResponse

FIRST_FENCED_VERSION, FIRST_BUMPING_VERSION = 2, 5


async def handle(broker: Broker, ctx: Context, request: EndTxnRequest) -> EndTxnResponse:
    version = TV2 if ctx.api_version >= FIRST_BUMPING_VERSION else 0
    producer = Producer(request.producer_id, request.producer_epoch)
    wanted = Wanted(request.transactional_id, producer, request.committed, version)
    try:
        goes_on_as = await broker.transactions.end(wanted)
    except Rejected as e:
        if e.code == ErrorCode.PRODUCER_FENCED and ctx.api_version < FIRST_FENCED_VERSION:
            raise Rejected(ErrorCode.INVALID_PRODUCER_EPOCH, e.message) from e
        raise
    return EndTxnResponse(producer_id=goes_on_as.id, producer_epoch=goes_on_as.epoch)
