"""What a campaign does to a cluster: who is hit, how, and for how long; drawn from a seed.

A kind of fault is a word of the command line (kill, stop, pause, power); each draws a target: a leader, a follower, the
active controller, two nodes at once, all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.support.cluster import Cluster, View
from tests.support.nodes import Node

Kind = Literal["kill", "stop", "pause", "power"]
KINDS: tuple[Kind, ...] = ("kill", "stop", "pause", "power")
WEIGHTS: dict[Kind, int] = {"kill": 6, "stop": 2, "pause": 2, "power": 4}
TARGETS = {"leader": 5, "follower": 2, "controller": 4, "two": 1, "all": 1}
SINGLE = ("leader", "follower", "controller")
DOWN_S, SHORT_PAUSE_S, LONG_PAUSE_S = 5.0, 3.0, (9.5, 12.0)  # a long pause outlives the session
LONG_PAUSES = 0.3


@dataclass
class Fault:
    """
    seconds            how long the nodes stay down
    calm               whether all was in sync before
    begun_ns, ended_ns when it was done, and when all were back; monotonic
    """

    kind: Kind
    target: str
    victims: list[Node]
    seconds: float
    calm: bool = False
    begun_ns: int = 0
    ended_ns: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """By this its gap is counted."""
        lone = self.target == "controller" and "broker" not in self.victims[0].roles
        if self.kind == "stop" and not lone:
            return "stop"
        if self.kind == "pause":
            long = "long" if self.seconds > SHORT_PAUSE_S else "short"
            return f"pause {'lone controller' if lone else self.target}, {long}"
        return f"{self.kind} {'lone controller' if lone else self.target}"

    def __str__(self) -> str:
        nodes = ", ".join(str(node.node_id) for node in self.victims)
        return f"{self.kind} {self.target} ({nodes}) for {self.seconds:.1f} s"


def draw(rng: Random, kinds: Sequence[Kind], cluster: Cluster, view: View, topic: str) -> Fault:
    """The next fault for a cluster that looks like `view`."""
    kind = rng.choices(kinds, [WEIGHTS[each] for each in kinds])[0]
    targets = SINGLE if kind != "kill" else tuple(TARGETS)
    target = rng.choices(targets, [TARGETS[each] for each in targets])[0]
    victims = _victims(rng, target, cluster, view, topic)
    if kind == "pause":
        seconds = rng.uniform(*LONG_PAUSE_S) if rng.random() < LONG_PAUSES else rng.uniform(0.1, SHORT_PAUSE_S)
    else:
        seconds = rng.choice([0.0, rng.uniform(0, DOWN_S)])
    return Fault(kind, target, victims, seconds)


def _victims(rng: Random, target: str, cluster: Cluster, view: View, topic: str) -> list[Node]:
    nodes = {node.node_id: node for node in cluster.nodes}
    if target == "all":
        return list(cluster.nodes)
    if target == "two":
        return rng.sample(cluster.nodes, 2)
    if target == "controller" and view.controller in nodes:
        return [nodes[view.controller]]
    leaders = [leader for leader in view.leaders(topic).values() if leader >= 0]
    if target == "leader" and leaders:
        return [nodes[rng.choice(leaders)]]
    return [min(cluster.brokers, key=lambda node: (leaders.count(node.node_id), rng.random()))]
