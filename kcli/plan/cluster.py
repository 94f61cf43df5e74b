"""The shape of a local cluster: its nodes, their roles, ports and server.properties; and how well it is.

Nodes 0 to N-1 are brokers. If nothing is said of controllers, the first three of them are controllers, too; else the
controllers are the nodes behind them. Broker i listens at port P + i; the controller of node i listens at P + i + 10000
where that is free, else at any free port, which its server.properties names.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from kcli.errors import Failure
from kcli.model import LocalNode as Node
from kcli.model import Quorum, Topic

HOST = "localhost"
DEFAULT_PORT = 9092
CONTROLLER_OFFSET = 10_000
LAST_PORT = 65_535
MAX_CONTROLLERS = 3
MAX_NODES = 32  # of one machine
BROKER, CONTROLLER = "broker", "controller"
PARTITION_ADVICE = "Write it like this: kcli cluster partition 0,1 2,3"

# What makes a node the one it is in its cluster, and must not be set from outside.
OWN = frozenset(
    {
        "process.roles", "node.id", "broker.id", "controller.quorum.voters", "controller.quorum.bootstrap.servers",
        "listeners", "advertised.listeners", "controller.listener.names", "inter.broker.listener.name",
        "listener.security.protocol.map", "log.dir", "log.dirs", "metadata.log.dir",
    }
)  # fmt: skip


def address(node: Node) -> tuple[str, int]:
    """Where it answers first: the broker's port, else the controller's."""
    port = node.port or node.controller_port
    assert port is not None
    return HOST, port


def settings(texts: Sequence[str]) -> dict[str, str]:
    """Read --config's key=value texts. Raises Failure for one that is none, or that is not the user's to set."""
    found = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise Failure(f"--config {text}: not a setting", "Write it as NAME=VALUE.")
        if name in OWN:
            raise Failure(f"--config {text}: {name} is what kcli cluster sets itself, for each node")
        found[name] = value
    return found


def layout(brokers: int, controllers: int | None, port: int, free: Callable[[int], int]) -> tuple[Node, ...]:
    """The nodes of a new cluster.

    controllers  None: the brokers are controllers, too, the first three of them; else so many nodes of their own
    port         of the first broker; 0: each has any that is free
    free         the port that was asked for if it is free, else (or for 0) another
    Raises Failure: numbers that make no cluster.
    """
    for count, named in ((brokers, "--brokers"), (controllers, "--controllers")):
        if count is not None and count < 1:
            raise Failure(f"{named} {count}: a cluster has at least one.")
    nodes = brokers + (controllers or 0)
    if nodes > MAX_NODES:
        raise Failure(f"A cluster of {nodes} nodes is more than one machine bears: {MAX_NODES} at most.")
    if port and not 0 < port <= LAST_PORT - brokers + 1:
        raise Failure(f"--port {port}: the brokers' ports are {port} to {port + brokers - 1}, of {LAST_PORT} at most.")
    made = []
    for node in range(nodes):
        broker = node < brokers
        controller = node < MAX_CONTROLLERS if controllers is None else not broker
        beside = port + node + CONTROLLER_OFFSET if port else 0
        made.append(
            Node(
                node,
                tuple(role for role, has in ((BROKER, broker), (CONTROLLER, controller)) if has),
                (port + node if port else free(0)) if broker else None,
                free(beside if beside <= LAST_PORT else 0) if controller else None,
            )
        )
    return tuple(made)


def properties(nodes: Sequence[Node], node: Node, data: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The settings of one node; `extra` are the user's and win over defaults for small clusters."""
    listeners = [("PLAINTEXT", node.port), ("CONTROLLER", node.controller_port)]
    brokers = sum(BROKER in each.roles for each in nodes)
    copies = str(min(3, brokers))
    in_sync = str(min(2, brokers))
    told = {
        "process.roles": ",".join(node.roles),
        "node.id": str(node.id),
        "controller.quorum.voters": ",".join(
            f"{each.id}@{HOST}:{each.controller_port}" for each in nodes if each.controller_port is not None
        ),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners if port is not None),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "default.replication.factor": copies,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
    }
    return told | dict(extra)


def read(told: Mapping[str, str]) -> Node:
    """Read a node back from its settings. Raises ValueError, KeyError: they are not such as `properties` makes."""
    ports = {}
    for listener in told["listeners"].split(","):
        name, _, rest = listener.partition("://")
        ports[name] = int(rest.rpartition(":")[2])
    roles = tuple(told["process.roles"].split(","))
    return Node(int(told["node.id"]), roles, ports.get("PLAINTEXT"), ports.get("CONTROLLER"))


def bootstrap(nodes: Sequence[Node]) -> str:
    """The addresses that clients begin with."""
    return ",".join(f"{HOST}:{node.port}" for node in nodes if node.port is not None)


def check_same(nodes: Sequence[Node], brokers: int | None, controllers: int | None, port: int | None) -> None:
    """Whether the cluster that is there is the one that was asked for. Raises Failure."""
    first = min((node.port for node in nodes if node.port is not None), default=None)
    for name, asked, found in (
        ("--brokers", brokers, sum(BROKER in node.roles for node in nodes)),
        ("--controllers", controllers, sum(CONTROLLER in node.roles for node in nodes)),
        ("--port", port, first),
    ):
        if asked is not None and asked != found and (name, asked) != ("--port", 0):
            raise Failure(
                f"{name} {asked}: the cluster that is there has {found}.",
                "Remove it first (kcli cluster down; kcli cluster wipe), or make another one with --dir.",
            )


class Health(NamedTuple):
    """What a cluster says of itself.

    active            the active controller; None: there is none, or it is not known
    leaders           node -> how many partitions it leads; None: no broker tells
    under_replicated  node -> how many of those have an ISR that lacks replicas, as Kafka counts them
    """

    active: int | None = None
    leaders: Mapping[int, int] | None = None
    under_replicated: Mapping[int, int] | None = None
    partitions: int = 0
    without_leader: int = 0


def health(quorum: Quorum | None, topics: Sequence[Topic] | None) -> Health:
    """None: nobody tells."""
    active = quorum.leader if quorum and quorum.leader >= 0 else None
    if topics is None:
        return Health(active)
    partitions = [partition for topic in topics for partition in topic.partitions]
    led = [partition for partition in partitions if partition.leader is not None]
    return Health(
        active,
        Counter(p.leader for p in led if p.leader is not None),
        Counter(p.leader for p in led if p.leader is not None and len(p.isr) < len(p.replicas)),
        len(partitions),
        len(partitions) - len(led),
    )


class Seen(NamedTuple):
    """What one broker says: which brokers are alive, and how the topics are."""

    node: int
    alive: Collection[int]
    topics: Sequence[Topic]


def unwell(nodes: Sequence[Node], quorum: Quorum, committed: int, seen: Sequence[Seen]) -> str | None:
    """Why no node of a cluster should be taken away now; None: one may.

    committed  up to where every node must have the metadata log
    """
    behind = [each.id for each in (*quorum.voters, *quorum.observers) if each.log_end_offset < committed]
    if quorum.leader < 0:
        return "there is no active controller"
    if behind:
        return f"node {behind[0]} lags behind the metadata log"
    for told in seen:
        missing = [node.id for node in nodes if node.port is not None and node.id not in told.alive]
        if missing:
            return f"node {missing[0]} is not alive to node {told.node}"
        lacking = sum(len(p.isr) < len(p.replicas) for topic in told.topics for p in topic.partitions)
        if lacking:
            return f"{lacking} partitions are under-replicated"
    return None


def groups(words: Sequence[str], nodes: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """Read the sides of a partition: `0,1 | 2,3`, in one word or several; a blank parts sides as well as a bar.

    Raises Failure: it names no two sides, or what is no node of the cluster.
    """
    sides = []
    for side in "|".join(" ".join(words).split()).split("|"):
        if not side:
            continue
        ids = [word for word in side.split(",") if word]
        for word in ids:
            if not (word.isascii() and word.isdigit()):
                raise Failure(f"'{word}' is no node.", PARTITION_ADVICE)
            if int(word) not in nodes:
                raise Failure(
                    f"The cluster has no node {int(word)}: it has {', '.join(map(str, sorted(nodes)))}.",
                    "See: kcli cluster status",
                )
        if ids:
            sides.append(tuple(dict.fromkeys(map(int, ids))))
    if len(sides) < 2:
        raise Failure("A partition has two sides or more.", PARTITION_ADVICE)
    twice = [node for node, count in Counter(node for side in sides for node in side).items() if count > 1]
    if twice:
        raise Failure(f"Node {twice[0]} stands on two sides.", PARTITION_ADVICE)
    return tuple(sides)


def told_sides(sides: Sequence[Sequence[int]]) -> str:
    """As `groups` reads it."""
    return " | ".join(",".join(map(str, side)) for side in sides)


def cut_off(node: int, sides: Sequence[Sequence[int]], nodes: Sequence[Node]) -> list[tuple[str, int]]:
    """The addresses that a node may not reach: those of the nodes on other sides. A node on no side reaches all."""
    if not any(node in side for side in sides):
        return []
    others = {other for side in sides if node not in side for other in side}
    found = [(each.port, each.controller_port) for each in nodes if each.id in others]
    return [(HOST, port) for ports in found for port in ports if port is not None]
