"""Who leads a partition: the hints in the errors of Produce and Fetch, so that a client need not ask for metadata.

Source: KIP-951.
"""

from uuid import UUID

from server.broker.broker import Broker
from server.metadata.image import Partition as Registration
from server.model.ids import NodeId, TopicId


def registration(broker: Broker, topic: str | UUID, index: int) -> Registration | None:
    image = broker.image
    found = image.topics.get(topic) if isinstance(topic, str) else image.topic_of(TopicId(topic))
    return None if found is None else found.partitions.get(index)


def end_point(broker: Broker, listener: str, node: NodeId) -> tuple[str, int, str | None] | None:
    """(host, port, rack) of a node, by the listener that the client came in by."""
    known = broker.image.brokers.get(node)
    address = None if known is None else known.end_point(listener)
    return None if known is None or address is None else (address.host, address.port, known.rack)
