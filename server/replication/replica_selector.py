"""Which replica a consumer is to read from: the leader, or one that stands nearer.

Pure. `replica.selector.class` names the rule by the Java class that has it in Apache Kafka. A replica may be chosen if
it is in sync and its log has the offset that is asked for; the leader always has. Of several in the consumer's rack the
one that is furthest ahead is taken, then the one that caught up last, then the one with the highest id.

Source: KIP-392.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from server.model.ids import NodeId
from server.model.settings.replicas import LEADER_SELECTOR, RACK_AWARE_SELECTOR


class Readable(NamedTuple):
    """A follower that has what is asked for. behind_ms: since it had all that the leader has."""

    node: NodeId
    leo: int
    behind_ms: int


RackOf = Callable[[NodeId], str | None]
Selector = Callable[[str, NodeId, Iterable[Readable], RackOf], NodeId]


def leader_only(rack: str, leader: NodeId, followers: Iterable[Readable], rack_of: RackOf) -> NodeId:
    return leader


def rack_aware(rack: str, leader: NodeId, followers: Iterable[Readable], rack_of: RackOf) -> NodeId:
    """The leader where it is in the consumer's rack, where nobody is, or where the consumer names none."""
    if not rack or rack_of(leader) == rack:
        return leader
    near = [each for each in followers if rack_of(each.node) == rack]
    return max(near, key=lambda each: (each.leo, -each.behind_ms, each.node)).node if near else leader


SELECTORS: dict[str, Selector] = {
    LEADER_SELECTOR: leader_only,
    RACK_AWARE_SELECTOR: rack_aware,
}
