"""Who leads a partition: the hints in the errors of Produce and Fetch, so that a client need not ask for metadata.

Source: KIP-951.
"""

from collections.abc import Iterable, Iterator
from uuid import UUID

from server.broker.broker import Broker
from server.model.errors import ErrorCode
from server.model.ids import LeaderEpoch, NodeId, TopicId

STALE = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


def leader_to_tell(broker: Broker, topic: str | UUID, index: int, code: ErrorCode) -> tuple[NodeId, LeaderEpoch] | None:
    """The leader and its epoch, if `code` is an error after which a client looks for another one."""
    if code not in STALE:
        return None
    image = broker.image
    found = image.topics.get(topic) if isinstance(topic, str) else image.topic_of(TopicId(topic))
    registration = None if found is None else found.partitions.get(index)
    return None if registration is None else (registration.leader, registration.leader_epoch)


def end_point(broker: Broker, listener: str, node: NodeId) -> tuple[str, int, str | None] | None:
    """(host, port, rack) of a node, by the listener that the client came in by."""
    known = broker.image.brokers.get(node)
    address = None if known is None else known.end_point(listener)
    return None if known is None or address is None else (address.host, address.port, known.rack)


def end_points(broker: Broker, listener: str, nodes: Iterable[int]) -> Iterator[tuple[NodeId, str, int, str | None]]:
    """(node, host, port, rack) of each of these nodes that is known, in order."""
    for node in map(NodeId, sorted(nodes)):
        address = end_point(broker, listener, node)
        if address is not None:
            yield node, *address
