"""Places in a partition's log: what ListOffsets is asked for, and what it tells."""

from typing import NamedTuple

from kcli.model.moves import TopicPartition

# In place of a time: the end, the start, the record with the newest time, the start of what brokers have on their own
# disks, the end of what is in remote storage, the start of what has yet to be copied there.
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = -1, -2, -3, -4, -5, -6


class Position(NamedTuple):
    """A place in a log. `offset` -1: nothing is there. `timestamp_ms` -1 where no record was looked for."""

    offset: int
    timestamp_ms: int = -1
    leader_epoch: int = -1


class Cut(NamedTuple):
    """What deleting the records of a partition before an offset comes to: [start, until) would go."""

    partition: TopicPartition
    start: int
    until: int
    end: int
