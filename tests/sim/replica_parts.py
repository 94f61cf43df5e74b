"""What the replica world is made of: a clock that its steps move, and brokers with one partition each."""

from collections.abc import Callable
from dataclasses import dataclass, field

from server.broker.partition import Partition
from server.broker.writes import Writes
from server.model.ids import BrokerEpoch, LeaderEpoch, NodeId
from tests.sim.disk import MemoryDisk

UNREGISTERED = BrokerEpoch(-1)


@dataclass
class Clock:
    now: int = 0

    def now_ms(self) -> int:
        return self.now

    def timestamp_ms(self) -> int:
        return 1_767_225_600_000 + self.now


class Died(BaseException):
    """A replica's process ends in the middle of a disk operation."""

    def __init__(self, replica: "Replica") -> None:
        self.replica = replica


@dataclass
class Replica:
    """One broker, with its one partition; `partition` is None while it is down."""

    node: NodeId
    disk: MemoryDisk
    epoch: BrokerEpoch = UNREGISTERED
    clean: BrokerEpoch = UNREGISTERED  # the registration that it stopped in, if it stopped cleanly
    seen: int = -1  # the metadata that it has replayed: an index
    hw: int = 0  # its checkpoint
    fuse: int | None = None  # disk operations until it dies
    partition: Partition | None = None
    writes: Writes = field(default_factory=Writes)
    acks: list[tuple[int, LeaderEpoch, Callable[[], None]]] = field(default_factory=list)  # last offset, epoch, answer

    @property
    def hw_now(self) -> int:
        return self.hw if self.partition is None else self.partition.hw
