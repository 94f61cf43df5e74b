"""Leaders and replicas that move, and where they are on disk."""

from typing import NamedTuple

TopicPartition = tuple[str, int]


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
