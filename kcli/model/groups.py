"""Groups of consumers as their coordinators describe them, what they committed, and how far they are behind."""

from collections.abc import Mapping
from typing import NamedTuple

from kcli.model import Broker
from kcli.model.moves import TopicPartition

CONSUMER_TYPE, CLASSIC_TYPE = "Consumer", "Classic"
CONSUMER_PROTOCOL = "consumer"  # what classic consumers say; empty for groups that only commit offsets
EMPTY, STABLE = "Empty", "Stable"


class GroupListing(NamedTuple):
    """A group without its members. `type` and `state` are Kafka's words, "Unknown" where the broker is too old."""

    id: str
    type: str
    protocol: str
    state: str


class Member(NamedTuple):
    """A member. Those of classic groups have no epoch and no target; `upgraded`: speaks KIP-848, None: not known."""

    id: str
    instance_id: str | None
    client_id: str
    host: str
    assignment: tuple[TopicPartition, ...]
    epoch: int | None = None
    target: tuple[TopicPartition, ...] = ()
    upgraded: bool | None = None


class Group(NamedTuple):
    """A group with its members. `assignor` is empty where there is none; classic groups have no epochs."""

    id: str
    type: str
    state: str
    assignor: str
    members: tuple[Member, ...]
    coordinator: Broker
    epoch: int | None = None
    target_epoch: int | None = None


class Committed(NamedTuple):
    """What a group committed for a partition. `leader_epoch` -1: not known."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""


class Standing(NamedTuple):
    """How far a group is with a partition. None: nothing is committed, nobody has it, the end is not known."""

    topic: str
    partition: int
    committed: Committed | None
    end: int | None
    member: Member | None

    @property
    def lag(self) -> int | None:
        """Records between what is committed and the end."""
        if self.committed is None or self.end is None:
            return None
        return self.end - self.committed.offset


class Reset(NamedTuple):
    """A partition whose committed offset shall change. `now` None: nothing is committed."""

    topic: str
    partition: int
    now: Committed | None
    then: int
    note: str = ""

    @property
    def skipped(self) -> int:
        """Records that the group would not read; those between start and `then` where nothing was committed yet."""
        return max(0, self.then - self.now.offset) if self.now else 0

    @property
    def repeated(self) -> int:
        """Records that it would read again."""
        return max(0, self.now.offset - self.then) if self.now else 0


class Change(NamedTuple):
    """An entry of the journal: offsets of groups as they were (None: none) before they were changed."""

    id: str
    cluster_id: str | None
    when: str
    what: str
    former: Mapping[str, Mapping[TopicPartition, Committed | None]]


class PartitionLag(NamedTuple):
    """How far a group is behind in a partition. `end` None: the partition is gone, or its leader."""

    topic: str
    partition: int
    committed: int
    end: int | None
    lag_ms: int | None

    @property
    def lag(self) -> int:
        """Records; 0 where the end is not known."""
        return 0 if self.end is None else max(0, self.end - self.committed)


class GroupLag(NamedTuple):
    """How far a group is behind. Rates are in records a second; None: there was one look only."""

    group: str
    state: str
    members: int
    partitions: tuple[PartitionLag, ...]
    rate_in: float | None
    rate_out: float | None

    @property
    def lag(self) -> int:
        return sum(one.lag for one in self.partitions)

    @property
    def lag_ms(self) -> int | None:
        """That of the partition that is the farthest behind; None: not known of any."""
        return max((one.lag_ms for one in self.partitions if one.lag_ms is not None), default=None)

    @property
    def catch_up_s(self) -> float | None:
        """Seconds until the lag is 0 if all goes on like this; None: never, or not known."""
        if self.lag == 0:
            return 0.0
        if self.rate_in is None or self.rate_out is None or self.rate_out <= self.rate_in:
            return None
        return self.lag / (self.rate_out - self.rate_in)
