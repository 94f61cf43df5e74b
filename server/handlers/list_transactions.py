"""ListTransactions (key 66): the transactional ids that this broker coordinates.

Filters narrow down together; each is off where it is empty, or negative. A state that nobody knows is told back, and
matches nothing. The pattern must match the whole id.

Errors: COORDINATOR_LOAD_IN_PROGRESS, INVALID_REGULAR_EXPRESSION.
Source: KIP-664, KIP-994 (v1), KIP-1152 (v2).
"""

import re

from server.broker.broker import Broker
from server.broker.context import Context
from server.model.errors import ErrorCode, Rejected
from server.txn.state import BY_LABEL, Txn
from server.wire.messages.list_transactions import (
    ListTransactionsRequest,
    ListTransactionsResponse,
    TransactionState,
)


def handle(broker: Broker, ctx: Context, request: ListTransactionsRequest) -> ListTransactionsResponse:
    pattern = _compiled(request.transactional_id_pattern)
    now_ms = broker.clock.timestamp_ms()
    states = {BY_LABEL[label] for label in request.state_filters if label in BY_LABEL}
    producer_ids, duration_ms = set(request.producer_id_filters), request.duration_filter

    def wanted(id_: str, txn: Txn) -> bool:
        return (
            (not producer_ids or txn.producer_id in producer_ids)
            and (not request.state_filters or txn.state in states)
            and (duration_ms < 0 or now_ms - txn.started_ms > duration_ms)
            and (pattern is None or pattern.fullmatch(id_) is not None)
        )

    return ListTransactionsResponse(
        unknown_state_filters=[label for label in request.state_filters if label not in BY_LABEL],
        transaction_states=[
            TransactionState(id_, txn.producer_id, txn.state.label)
            for id_, txn in broker.transactions.listed()
            if wanted(id_, txn)
        ],
    )


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    """Raises Rejected(INVALID_REGULAR_EXPRESSION)."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error as e:
        raise Rejected(ErrorCode.INVALID_REGULAR_EXPRESSION, f"Invalid regular expression: {e}") from e
