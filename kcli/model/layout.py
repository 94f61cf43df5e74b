"""Where all replicas of a cluster are: what plans of moves are made from, and what their preview tells."""

from collections.abc import Mapping
from typing import NamedTuple

from kcli.model import Broker
from kcli.model.moves import TopicPartition

Replicas = tuple[int, ...]  # the preferred leader is the first


class Layout(NamedTuple):
    """A cluster as a plan sees it.

    brokers     those that live, by id
    partitions  the replicas of every partition, of internal topics, too
    sizes       bytes of one replica; a partition that is missing has none
    isr         replicas in sync, where they are known
    """

    brokers: Mapping[int, Broker]
    partitions: Mapping[TopicPartition, Replicas]
    sizes: Mapping[TopicPartition, int] = {}
    isr: Mapping[TopicPartition, Replicas] = {}

    def after(self, moves: Mapping[TopicPartition, Replicas]) -> "Layout":
        """The layout when `moves` are done."""
        return self._replace(partitions={**self.partitions, **moves})


class Rule(NamedTuple):
    """Where the partitions of some topics belong.

    topics   a regular expression for whole names
    brokers  None: all that live
    racks    None: all
    factor   the replication factor; None: as it is
    leaders  brokers that shall lead, in this order of preference; empty: no matter
    """

    topics: str
    brokers: tuple[int, ...] | None = None
    racks: tuple[str, ...] | None = None
    factor: int | None = None
    leaders: tuple[int, ...] = ()


class Load(NamedTuple):
    """What a broker carries."""

    replicas: int = 0
    leaders: int = 0
    size: int = 0


class BrokerChange(NamedTuple):
    """A broker before and after. `free`: bytes left on its disks afterwards; None where nobody knows."""

    broker: int
    rack: str | None
    before: Load
    after: Load
    incoming: int
    free: int | None


class Preview(NamedTuple):
    """What a plan comes to. `seconds`: at the throttle, the busiest broker's share; None without one."""

    brokers: tuple[BrokerChange, ...]
    partitions: int
    replicas: int
    size: int
    seconds: int | None
    warnings: tuple[str, ...]
