"""What a client knows of the cluster: its nodes, and who leads which partition."""

from collections.abc import Mapping
from typing import NamedTuple

from kcli.pipeline.messages import Metadata, MetadataTopic
from kcli.pipeline.produce import Topic
from kcli.properties import Address

NO_LEADER = -1


class Leader(NamedTuple):
    node: int
    epoch: int


class TopicView(NamedTuple):
    topic: Topic
    error: int
    internal: bool
    leaders: Mapping[int, Leader]  # every partition; node NO_LEADER: it has none


class Topology:
    def __init__(self) -> None:
        self.nodes: Mapping[int, Address] = {}
        self.topics: dict[str, TopicView] = {}

    def update(self, metadata: Metadata, *, whole: bool) -> None:
        """Take in an answer. `whole`: it was asked about all topics, so that others do not exist."""
        self.nodes = dict(metadata.nodes)
        found = {told.name: self._view(told) for told in metadata.topics}
        self.topics = found if whole else self.topics | found

    def leader(self, topic: str, partition: int) -> Leader | None:
        """Who leads the partition; None: nobody that is known."""
        view = self.topics.get(topic)
        leader = view.leaders.get(partition) if view else None
        return leader if leader and leader.node in self.nodes else None

    def _view(self, told: MetadataTopic) -> TopicView:
        known = self.topics.get(told.name)
        before = known.leaders if known and known.topic.id == told.id else {}
        leaders = {}
        for row in told.partitions:
            leader, old = Leader(row.leader, row.epoch), before.get(row.partition)
            # A broker that lags behind may still tell of the leader before.
            leaders[row.partition] = old if old and old.epoch > leader.epoch >= 0 else leader
        if told.error and known and not told.partitions:
            leaders = dict(before)
        return TopicView(Topic(told.name, told.id), told.error, told.internal, leaders)
