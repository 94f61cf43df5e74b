"""Leaders and replicas that move, and where they are on disk."""

from collections.abc import Mapping
from typing import NamedTuple

ANY = "any"
TopicPartition = tuple[str, int]
ReplicaKey = tuple[str, int, int]


class Turn(NamedTuple):
    """A partition whose leader an election would change. None: nobody leads it."""

    topic: str
    partition: int
    leader: int | None
    elected: int


class Skipped(NamedTuple):
    """A partition that an election would fail for, and why."""

    topic: str
    partition: int
    why: str


class Outlook(NamedTuple):
    """What an election of many partitions comes to. Those with the right leader are in neither list."""

    turns: tuple[Turn, ...]
    skipped: tuple[Skipped, ...]


class Stored(NamedTuple):
    """A replica on a broker's disk. `lag`: records it is behind; `future`: it will replace another one there."""

    topic: str
    partition: int
    size: int
    lag: int
    future: bool


class Directory(NamedTuple):
    """A log directory of a broker. `error_code`: why it is offline, else 0. Bytes are -1 where the broker is silent."""

    path: str
    error_code: int
    replicas: tuple[Stored, ...]
    total_bytes: int = -1
    usable_bytes: int = -1


class Target(NamedTuple):
    """Where a partition shall be. `log_dirs`: the directory of each replica, ANY where the broker may choose."""

    topic: str
    partition: int
    replicas: tuple[int, ...]
    log_dirs: tuple[str, ...] = ()

    @property
    def key(self) -> TopicPartition:
        return self.topic, self.partition


class Plan(NamedTuple):
    """What a reassignment file says. Files that kcli wrote know more: the cluster, and where the replicas were."""

    targets: tuple[Target, ...]
    cluster_id: str | None = None
    former: Mapping[TopicPartition, tuple[int, ...]] = {}

    @property
    def directories(self) -> dict["ReplicaKey", str]:
        """The directory of each replica that shall be in a certain one."""
        return {
            (target.topic, target.partition, broker): path
            for target in self.targets
            for broker, path in zip(target.replicas, target.log_dirs, strict=False)
            if path != ANY
        }


class Status(NamedTuple):
    """How far a partition is. `replicas`: those that it has now, none where nobody knows it."""

    topic: str
    partition: int
    replicas: tuple[int, ...]
    target: tuple[int, ...]
    moving: bool

    @property
    def done(self) -> bool:
        return not self.moving and self.replicas == self.target


class DirStatus(NamedTuple):
    """How far a replica is on its way to a directory of its broker.

    known    whether the broker answered
    current  its directory; None: it is in none that is alive
    future   the directory that it is moving to
    """

    topic: str
    partition: int
    broker: int
    target: str
    known: bool = True
    current: str | None = None
    future: str | None = None

    @property
    def moving(self) -> bool:
        return self.current is not None and self.future is not None

    @property
    def state(self) -> str:
        """One of: completed, in progress, elsewhere, cancelled, no directory, no answer."""
        if not self.known:
            return "no answer"
        if self.current is None:
            return "no directory"
        if self.future is not None:
            return "in progress" if self.future == self.target else "elsewhere"
        return "completed" if self.current == self.target else "cancelled"

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.state in ("completed", "cancelled")


class Copying(NamedTuple):
    """How much has been copied to new replicas, and of how much, in bytes."""

    copied: int
    total: int
    replicas: int


class Progress(NamedTuple):
    """How far a plan is. `rate`: bytes per second; `seconds`: that are left; None where nobody can tell."""

    partitions: int
    of_partitions: int
    copied: int
    total: int
    rate: int | None
    seconds: int | None


class Leftover(NamedTuple):
    """Brokers and topics on which a replication throttle is set."""

    brokers: tuple[int, ...]
    topics: tuple[str, ...]


class Recorded(NamedTuple):
    """An entry of the journal: what was begun, and where the replicas were before. `began`: a time as ISO 8601."""

    id: str
    cluster_id: str | None
    began: str
    plan: tuple[Target, ...]
    former: tuple[Target, ...]
