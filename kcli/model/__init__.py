"""The words of the command line as frozen values: topics, partitions, brokers, settings, the quorum.

What only some tools speak of is beside this, in a module a subject. Named tuples, because a process that lives 80 ms
notices what it costs to define a dataclass (0.7 ms each). Ids of topics and directories are texts as Kafka prints them:
22 characters of URL-safe base64.
"""

from collections.abc import Mapping
from typing import NamedTuple

ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})


class Broker(NamedTuple):
    id: int
    host: str
    port: int
    rack: str | None = None
    fenced: bool = False


class Cluster(NamedTuple):
    """`controller` is a broker that takes requests for the controller; None if the cluster names none."""

    id: str | None
    controller: int | None
    brokers: tuple[Broker, ...]


class Partition(NamedTuple):
    """One partition. `leader` None: there is none. `elr`, `last_known_elr` None: the broker is too old to tell."""

    id: int
    leader: int | None
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    elr: tuple[int, ...] | None = None
    last_known_elr: tuple[int, ...] | None = None
    leader_epoch: int = -1
    offline: tuple[int, ...] = ()


class Topic(NamedTuple):
    """One topic; `partitions` ascend by id. `id` is ZERO_ID where the broker has no topic ids."""

    name: str
    id: str
    partitions: tuple[Partition, ...]
    internal: bool = False


class Listing(NamedTuple):
    """A topic without its partitions."""

    name: str
    id: str
    internal: bool


class NewTopic(NamedTuple):
    """A topic to make. None: the broker's default. `assignment` has the brokers of each partition, in place of both."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    assignment: tuple[tuple[int, ...], ...] = ()
    configs: Mapping[str, str] = {}


class Created(NamedTuple):
    """A topic as it came out, or would have: `partitions` -1 if the broker keeps it from this user."""

    name: str
    id: str
    partitions: int
    replication_factor: int


class Reassignment(NamedTuple):
    """A move under way: `replicas` are all that hold the partition now, those added and to be removed included."""

    topic: str
    partition: int
    replicas: tuple[int, ...]
    adding: tuple[int, ...]
    removing: tuple[int, ...]


class Resource(NamedTuple):
    """What has settings. kind: topic, broker, broker-logger, client-metrics, group."""

    kind: str
    name: str


class Synonym(NamedTuple):
    name: str
    value: str | None
    source: str


class Setting(NamedTuple):
    """One setting of a resource. `value` None: sensitive. `source` is Kafka's word, e.g. DYNAMIC_TOPIC_CONFIG."""

    name: str
    value: str | None
    source: str
    sensitive: bool = False
    read_only: bool = False
    synonyms: tuple[Synonym, ...] = ()

    @property
    def default(self) -> bool:
        """Whether nobody set it, on any level."""
        return self.source == "DEFAULT_CONFIG"


class Described(NamedTuple):
    """A topic with the settings that somebody set, its effective min.insync.replicas, and its partitions' moves."""

    topic: Topic
    settings: tuple[Setting, ...]
    min_isr: int
    moves: Mapping[int, Reassignment]

    @property
    def replication_factor(self) -> int:
        """That of the first partition."""
        partitions = self.topic.partitions
        return self.factor(partitions[0]) if partitions else 0

    def factor(self, partition: Partition) -> int:
        """How many replicas the partition is meant to have: those that a move is adding do not count yet."""
        move = self.moves.get(partition.id)
        if move is None or set(partition.replicas).isdisjoint(move.adding + move.removing):
            return len(partition.replicas)
        return len(partition.replicas) - len(move.adding)


class SettingChange(NamedTuple):
    """What to do to a setting. `operation`: set, delete, append, subtract."""

    name: str
    value: str | None
    operation: str = "set"


class Replica(NamedTuple):
    """One member of the controllers' quorum. Times are wall clock in ms, -1 if not known."""

    id: int
    directory_id: str
    log_end_offset: int
    last_fetch_timestamp_ms: int
    last_caught_up_timestamp_ms: int


class QuorumNode(NamedTuple):
    """Where a controller listens: (listener name, host, port) each."""

    id: int
    listeners: tuple[tuple[str, str, int], ...]


class Quorum(NamedTuple):
    leader: int
    leader_epoch: int
    high_watermark: int
    voters: tuple[Replica, ...]
    observers: tuple[Replica, ...]
    nodes: tuple[QuorumNode, ...]


class Level(NamedTuple):
    """A feature at a level; `release` is the name of a metadata.version's level."""

    name: str
    level: int
    release: str | None = None


class FirstVoter(NamedTuple):
    """A controller of a new dynamic quorum."""

    id: int
    host: str
    port: int
    directory_id: str


class Meta(NamedTuple):
    """What a log directory's meta.properties says; None: it does not."""

    cluster_id: str | None
    node_id: int | None
    directory_id: str | None
    version: int = 1


class Credential(NamedTuple):
    """A user's SCRAM credential as brokers keep it. mechanism: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512."""

    user: str
    mechanism: int
    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


class LogDir(NamedTuple):
    """What is at a log directory's place: `kind` is missing, file, empty (not formatted), formatted or broken.

    meta   what a formatted one says
    error  what is wrong with a broken one's meta.properties
    """

    path: str
    kind: str
    meta: Meta | None = None
    error: str = ""


class LocalNode(NamedTuple):
    """A node of a local cluster. A port is None for a role that it has not."""

    id: int
    roles: tuple[str, ...]
    port: int | None
    controller_port: int | None
