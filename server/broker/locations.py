"""Locations: in which directories this node's replicas are, and whether the controller knows.

Source: KIP-858.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

from server.broker.assignments import Assignments
from server.broker.moves import Moves
from server.broker.partition import Partition
from server.log.dirs import LogDirs
from server.log.log_dir import LogDir
from server.metadata.image import Image
from server.metadata.image import Partition as Registration
from server.model.features import DIRECTORIES_SINCE
from server.model.ids import LOST_DIR, UNASSIGNED_DIR, NodeId, TopicId
from server.ports import Clock
from server.replication.throttle import Throttle


class Locations:
    """assignments: what the controller is told; moves: the replicas on their way to another directory."""

    def __init__(
        self,
        node: NodeId,
        logs: LogDirs,
        image: Callable[[], Image],
        assignments: Assignments,
        clock: Clock,
        throttle: Throttle,
        at_a_time: int,
        moved: Callable[[Partition], None],
    ) -> None:
        """throttle, at_a_time, moved: see `Moves`."""
        self._node, self._logs, self._image, self._assignments = node, logs, image, assignments
        self.moves = Moves(logs, throttle, clock, at_a_time, self._located, moved)

    def close(self) -> None:
        self.moves.close()
        self._assignments.close()

    def drop(self, partition: Partition) -> None:
        """This node has no such replica any more."""
        self.moves.drop(partition)
        self._assignments.forget(partition.topic_id, partition.index)

    def compare(self, topic_id: UUID, index: int, registration: Registration, partition: Partition | None) -> None:
        """Tell the controller where a replica is, unless it knows; one that could not be opened is in no good place."""
        if not registration.directories or self._image().metadata_version < DIRECTORIES_SINCE:
            self.moves.known(topic_id, index)
            return
        believed = registration.directory(self._node)
        if partition is None or partition.log.failed:
            # A move may have been told of which never came to its end.
            online = [each.directory_id for each in self._logs.dirs if each.offline is None]
            mistaken = believed in online and len(online) < len(self._logs.dirs)
            actual = LOST_DIR if mistaken or believed == UNASSIGNED_DIR else None
        else:
            actual = self.moves.claimed(topic_id, index) or self._logs.dir_of(partition.log).directory_id
        if actual is None or actual == believed:
            self._assignments.forget(topic_id, index)
            self.moves.known(topic_id, index)
        else:
            self._assignments.tell(topic_id, index, actual)

    def directory_failed(self, directory: LogDir, partitions: Iterable[Partition]) -> None:
        """The controller hears of the directory, and of the replicas that it does not believe to be in there."""
        for partition in partitions:
            if self._logs.dir_of(partition.log) is directory:
                self._located(partition)

    def _located(self, partition: Partition) -> None:
        """What there is to say of where a replica is has changed."""
        registration = self._image().partition(TopicId(partition.topic_id), partition.index)
        if registration is not None and self._node in registration.replicas:
            self.compare(partition.topic_id, partition.index, registration, partition)
