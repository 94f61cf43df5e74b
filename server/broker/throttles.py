"""Throttles: what this broker's replication is held to, as its settings and its topics' settings say.

leader     what it sends to followers that are not in sync
follower   what it fetches for replicas that are not in sync
moves      what it copies between its log directories

A replica in sync is never held back, and what it gets does not count: a rate is what a move gets, whatever load there
is beside it. (Kafka counts it, and a rate below the load lets no move end.)
Source: KIP-73, KIP-113.
"""

from collections.abc import Iterable

from server.config import NodeConfig
from server.metadata.image import Image
from server.model.ids import NodeId
from server.model.settings.broker import DYNAMIC
from server.model.settings.kinds import ResourceType, parse
from server.model.settings.topic import TOPIC
from server.replication.throttle import UNLIMITED, Throttle, Throttled

LEADER_RATE, FOLLOWER_RATE = "leader.replication.throttled.rate", "follower.replication.throttled.rate"
MOVES_RATE = "replica.alter.log.dirs.io.max.bytes.per.second"
LEADERS, FOLLOWERS = "leader.replication.throttled.replicas", "follower.replication.throttled.replicas"


class Throttles:
    def __init__(self, node: NodeId, credit_ms: int, moves_credit_ms: int) -> None:
        """credit_ms: see `Throttle`."""
        self._node = node
        self.leader, self.follower, self.moves = Throttle(credit_ms), Throttle(credit_ms), Throttle(moves_credit_ms)
        self.leaders, self.followers = Throttled(node), Throttled(node)

    @staticmethod
    def of(config: NodeConfig) -> "Throttles":
        """Half a window may be made up for, so that a move of ten windows keeps within a tenth of its rate."""
        windows = "replication.quota.window.size.seconds", "alter.log.dirs.replication.quota.window.size.seconds"
        return Throttles(config.node_id, *(config.number(name) * 1000 // 2 for name in windows))

    def published(self, image: Image, topics: Iterable[str], now_ms: int) -> None:
        """Take over the rates, and what these topics say, of which some may be gone."""
        for name in topics:
            config = image.config(ResourceType.TOPIC, name)
            self.leaders.set(name, _replicas(config.get(LEADERS)))
            self.followers.set(name, _replicas(config.get(FOLLOWERS)))
        for throttle, setting in ((self.leader, LEADER_RATE), (self.follower, FOLLOWER_RATE), (self.moves, MOVES_RATE)):
            throttle.set_rate(self._rate(image, setting), now_ms)

    def _rate(self, image: Image, name: str) -> int:
        for broker in (str(self._node), ""):
            text = image.config(ResourceType.BROKER, broker).get(name)
            if text is not None:
                rate = parse(DYNAMIC[name], text)
                assert isinstance(rate, int)
                return rate
        return UNLIMITED

    def holds_sender(self, topic: str, index: int) -> bool:
        """Whether what a leader here sends to those who are not in sync is throttled."""
        return not self.leader.unlimited and (topic, index) in self.leaders

    def holds_fetcher(self, topic: str, index: int) -> bool:
        """Whether what a replica here fetches, while it is not in sync, is throttled."""
        return not self.follower.unlimited and (topic, index) in self.followers


def _replicas(text: str | None) -> tuple[str, ...]:
    found = None if text is None else parse(TOPIC[LEADERS], text)
    return found if isinstance(found, tuple) else ()
