"""Outcome: what an answer is worth when its request had to be sent twice, and may have been carried out at once.

A repeated CreateTopics is told TOPIC_ALREADY_EXISTS of the topic that its own first half has made. Apache Kafka's
broker hands that on, and the user hears that somebody else was there. Here such a row says REQUEST_TIMED_OUT, which is
all that is known: it may have been done. Answers that do not depend on how often they are asked for stay as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from server.model.errors import ErrorCode

# By API: the refusals that a request may owe to itself.
OWED_TO_ITSELF: Mapping[int, tuple[ErrorCode, ...]] = {
    19: (ErrorCode.TOPIC_ALREADY_EXISTS,),
    20: (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID),
    37: (ErrorCode.INVALID_PARTITIONS,),
    64: (ErrorCode.BROKER_ID_NOT_REGISTERED,),
    80: (ErrorCode.DUPLICATE_VOTER,),
    81: (ErrorCode.VOTER_NOT_FOUND,),
}
ROWS = ("topics", "responses", "results")
WHY = "The controller was lost while it served this request: it may have been carried out. Look before you try again."


def _coded(response: Any) -> Iterator[Any]:
    """The response and its rows, as far as they have an error code."""
    for each in (response, *(row for name in ROWS for row in getattr(response, name, None) or ())):
        if hasattr(each, "error_code"):
            yield each


def lost_controller(response: Any) -> bool:
    """Whether the controller that answers ceased to be it meanwhile, so that another one has to be asked."""
    return any(each.error_code == ErrorCode.NOT_CONTROLLER for each in _coded(response))


def unsure(api_key: int, response: Any) -> Any:
    """The response to a repeated request, without refusals that may be its own doing."""
    for each in _coded(response):
        if each.error_code in OWED_TO_ITSELF.get(api_key, ()):
            each.error_code = int(ErrorCode.REQUEST_TIMED_OUT)
            if hasattr(each, "error_message"):
                each.error_message = WHY
    return response
