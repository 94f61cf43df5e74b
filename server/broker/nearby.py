"""Which replica of a partition a consumer should rather read from: replica.selector.class decides.

Source: KIP-392.
"""

from collections.abc import Callable

from server.broker.partition import Partition
from server.config import NodeConfig
from server.metadata.image import Image
from server.model.ids import NodeId
from server.ports import Clock
from server.replication.replica_selector import SELECTORS


class Nearby:
    def __init__(self, config: NodeConfig, clock: Clock, image: Callable[[], Image]) -> None:
        self._node_id, self._clock, self._image = config.node_id, clock, image
        selector = config.values["replica.selector.class"]
        self._select = SELECTORS[selector] if isinstance(selector, str) else None

    def replica(self, partition: Partition, rack: str, offset: int) -> NodeId | None:
        """The replica that a consumer in this rack should rather read `offset` from; None: this one will do."""
        if partition.leader is None or self._select is None:
            return None
        readable = partition.leader.readable(offset, self._clock.now_ms())
        chosen = self._select(rack, self._node_id, readable, self._rack_of)
        return None if chosen == self._node_id else chosen

    def _rack_of(self, node: NodeId) -> str | None:
        known = self._image().brokers.get(node)
        return None if known is None else known.rack
