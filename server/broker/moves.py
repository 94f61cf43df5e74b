"""Moves: replicas on their way from one log directory of this broker to another.

A copy in the other directory follows the replica's log. Once it has all, the controller is told that the replica is
there; once it knows, the copy takes the log's place at a moment when it has all again. Whatever ends the node in
between, the move goes on at its next start, for the copy is found there; where the log's directory fails after the
controller was told, it is told otherwise.

As many are copied at a time as num.replica.alter.log.dirs.threads says, held to one common rate.
Source: KIP-113, KIP-858.
"""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from server.broker.future_replica import FutureReplica
from server.broker.partition import Partition
from server.log import names
from server.log.dirs import LogDirs
from server.log.log import StorageFailed
from server.log.log_dir import LogDir
from server.model.errors import ErrorCode, Rejected
from server.model.ids import DirectoryId, TopicId
from server.ports import Clock
from server.replication.throttle import Throttle

logger = logging.getLogger(__name__)

STEP_BYTES = 1 << 20
MAX_PREFERRED = 100_000  # replicas to come of which somebody said where they shall be
UUID_HEX = "0" * 32
Key = tuple[UUID, int]  # topic id, partition


class Moves:
    def __init__(
        self,
        logs: LogDirs,
        throttle: Throttle,
        clock: Clock,
        at_a_time: int,
        located: Callable[[Partition], None],
        moved: Callable[[Partition], None],
    ) -> None:
        """
        located  called when `claimed` has changed: has the controller told, and calls `known` once it knows
        moved    called when a partition has another log
        """
        self._logs, self._throttle, self._clock, self._located = logs, throttle, clock, located
        self._claims: dict[Key, tuple[DirectoryId, asyncio.Future[None]]] = {}
        self._turns, self._moved = asyncio.Semaphore(at_a_time), moved
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._preferred: dict[tuple[str, int], str] = {}

    # What users ask

    def prefer(self, topic: str, index: int, path: str) -> None:
        """Put a replica that is still to come in this directory. Raises Rejected as `move` does."""
        self._checked(topic, index, path)
        if len(self._preferred) >= MAX_PREFERRED:
            del self._preferred[next(iter(self._preferred))]
        self._preferred[topic, index] = path

    def preferred(self, topic: str, index: int) -> DirectoryId | None:
        """Where somebody wants a new replica; asked once, when it is made."""
        path = self._preferred.pop((topic, index), None)
        return next((each.directory_id for each in self._logs.dirs if each.path == path), None)

    def move(self, partition: Partition, path: str) -> None:
        """Bring a replica to this directory; to the one where it is: give up its move.

        Raises Rejected: INVALID_TOPIC_EXCEPTION (its copy's folder would have too long a name), KAFKA_STORAGE_ERROR
        (a directory is offline, be it any: the replica may be in there, too), LOG_DIR_NOT_FOUND.
        """
        directory = self._checked(partition.topic, partition.index, path)
        if partition.log.failed:
            raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR)
        futures, key = self._logs.futures, (partition.topic, partition.index)
        under_way = futures.get(*key)
        if under_way is not None:
            if self._logs.dir_of(under_way) is directory:
                return
            self.drop(partition)
            futures.discard(*key)
            self._located(partition)
        if self._logs.dir_of(partition.log) is directory:
            return
        if any(each.offline is not None for each in self._logs.dirs):
            raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR)
        futures.create(*key, TopicId(partition.topic_id), partition.log.settings, directory)
        self.resume(partition)

    def _checked(self, topic: str, index: int, path: str) -> LogDir:
        if len(f"{topic}-{index}.{UUID_HEX}{names.FOLDER_FUTURE}") > names.MAX_FOLDER_NAME:
            raise Rejected(ErrorCode.INVALID_TOPIC_EXCEPTION)
        directory = next((each for each in self._logs.dirs if each.path == path), None)
        if directory is None:
            raise Rejected(ErrorCode.LOG_DIR_NOT_FOUND)
        if directory.offline is not None:
            raise Rejected(ErrorCode.KAFKA_STORAGE_ERROR)
        return directory

    # What becomes of it

    def resume(self, partition: Partition) -> None:
        """Go on with a move whose copy was found, if there is one."""
        log = self._logs.futures.get(partition.topic, partition.index)
        if log is not None:
            key = partition.topic_id, partition.index
            future = FutureReplica(partition, log, self._clock)
            self._tasks[key] = task = asyncio.get_running_loop().create_task(self._run(future))
            task.add_done_callback(lambda done: self._ended(key, done))

    def drop(self, partition: Partition) -> None:
        """Stop moving it; its copy stays."""
        key = partition.topic_id, partition.index
        self._claims.pop(key, None)
        task = self._tasks.pop(key, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _ended(self, key: Key, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("moving partition %d of topic %s failed", key[1], key[0], exc_info=error)

    async def _run(self, future: FutureReplica) -> None:
        partition = future.partition
        source, target = self._logs.dir_of(partition.log), self._logs.dir_of(future.log)
        async with self._turns:
            logger.info("moving %s from %s to %s", partition, source.path, target.path)
            try:
                await self._copy(future, target)
                logger.info("moved %s to %s", partition, target.path)
            except Rejected as e:
                logger.error("%s stays in %s, and cannot be copied: %s", partition, source.path, e)
            if self._claims.pop((partition.topic_id, partition.index), None):
                self._located(partition)

    # What the controller knows

    def claimed(self, topic_id: UUID, index: int) -> DirectoryId | None:
        """Where a replica is said to be, because it will be there as soon as the controller knows."""
        claim = self._claims.get((topic_id, index))
        return None if claim is None else claim[0]

    def known(self, topic_id: UUID, index: int) -> None:
        """The controller knows where this replica is."""
        claim = self._claims.get((topic_id, index))
        if claim is not None and not claim[1].done():
            claim[1].set_result(None)

    async def _claim(self, partition: Partition, directory: LogDir) -> None:
        """Have the controller told that the replica is there; returns when it knows."""
        assert directory.directory_id is not None
        known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._claims[partition.topic_id, partition.index] = directory.directory_id, known
        self._located(partition)
        await known

    async def _copy(self, future: FutureReplica, target: LogDir) -> None:
        """Copy, and swap. Raises Rejected."""
        partition, known = future.partition, False
        while True:
            if partition.log.failed or future.log.failed:
                raise StorageFailed("a directory failed")
            most = self._throttle.allowance(self._clock.now_ms())
            if not most and future.lag:
                await asyncio.sleep(self._throttle.wait_ms(self._clock.now_ms()) / 1000)
                continue
            size = future.step(min(most or 1, STEP_BYTES))
            self._throttle.took(size, self._clock.now_ms())
            if future.caught_up and known:  # nothing may be appended in between: no await
                future.log.settings = partition.log.settings
                self._swap(partition)
                return
            if future.caught_up:
                await self._claim(partition, target)
                known = True
            elif future.lag:
                await asyncio.sleep(0)

    def _swap(self, partition: Partition) -> None:
        try:
            self._logs.futures.swap(partition.topic, partition.index)
        finally:
            log = self._logs.get(partition.topic, partition.index)
            assert log is not None
            if log is not partition.log:
                partition.goes_on_in(log)
                self._moved(partition)
