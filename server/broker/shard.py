"""Shard: the shell of every coordinator, for one partition of its topic that this broker leads.

    groups = await broker.groups.shards.of("my-group").decide(lambda core, now: core.heartbeat(request, now))

`decide` runs a decision against the core, appends its records as one batch, replays them, and returns the response once
all that the decision could have read is committed. A shard lives as long as this broker leads its partition in one
leader epoch, which is the coordinator's epoch: it is loaded from the log (`shard_loading`), serves, and is dropped with
everything that waits. A core whose records never came to be committed is dropped with its shard, so nothing is undone.

What each coordinator's core is, and which requests it takes, is in `group_coordinator` and its like.

Refusals are what Kafka's clients expect of a coordinator: NOT_COORDINATOR (another broker, or nobody, leads),
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE (not enough replicas, or they are too slow),
UNKNOWN_SERVER_ERROR (a record that is larger than the topic takes).
Source: KIP-848 (the coordinator runtime); KIP-98 (transactional offsets).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from server.broker.partition import Partition
from server.broker.shard_loading import load
from server.broker.shard_timers import ShardTimers
from server.log.log import Origin
from server.model.coordination import Answer, Cancel, Core, Decision, Entry, Now, Producer, Timer
from server.model.errors import ErrorCode, Rejected
from server.ports import Clock
from server.records import batch, build, control
from server.records.batch import Record

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=Core)
R = TypeVar("R")

RETRY_MS = 500  # a timer whose records could not be appended
MAX_PARKED = 100_000  # requests of one shard that wait for others
# What an append is refused with, as clients of a coordinator are told.
TOLD = {
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """
    load_bytes         read at a time while loading
    commit_timeout_ms  how long an answer waits for replicas, before COORDINATOR_NOT_AVAILABLE
    codec              compression of the batches, by number
    """

    load_bytes: int
    commit_timeout_ms: int
    codec: int = batch.NONE


class State(Enum):
    LOADING = "loading"
    ACTIVE = "active"
    CLOSED = "closed"


class Shard(Generic[C]):
    """
    core   touched only by decisions and by replay
    epoch  the leader epoch of the partition, and the epoch of the coordinator
    """

    def __init__(
        self,
        partition: Partition,
        core: C,
        clock: Clock,
        settings: ShardSettings,
        perform: Callable[["Shard[C]", Any], None],
    ) -> None:
        """perform: does the effects that are the coordinator's own, at commit."""
        self.partition, self.core, self.epoch = partition, core, partition.leader_epoch
        self.state = State.LOADING
        self._clock, self._settings, self._foreign = clock, settings, perform
        self._end = partition.leo  # of what was appended here, or loaded: an answer waits until it is committed
        self._waiting: deque[tuple[int, Callable[[Rejected | None], None]]] = deque()  # by end, ascending
        self._parked: dict[int, asyncio.Future[Any]] = {}
        self._tokens = 0
        self._timers = ShardTimers(clock, self._fired)
        self.loading: asyncio.Task[None] | None = None

    @property
    def index(self) -> int:
        return self.partition.index

    def now(self) -> Now:
        return Now(self._clock.now_ms(), self._clock.timestamp_ms())

    # requests

    async def decide(self, decide: Callable[[C, Now], Decision[R]]) -> R:
        """Run a decision, and return its response once it cannot be lost any more.

        Raises Rejected: what the decision refuses (at commit, too: it read what may be lost), and the module's.
        """
        self.check()
        try:
            decision = decide(self.core, self.now())
        except Rejected:
            await self._settled()
            raise
        self._take(decision)
        await self._settled()
        return decision.response

    async def read(self, read: Callable[[C], R]) -> R:
        """What the core says, once it cannot be lost any more. Raises Rejected, as `decide`."""
        return await self.decide(lambda core, _: Decision((), read(core)))

    def note(self, decide: Callable[[C, Now], Decision[None]]) -> None:
        """Run a decision that nobody waits for; a shard that does not serve knows without it, or need not."""
        if self.state is State.ACTIVE:
            try:
                self._take(decide(self.core, self.now()))
            except Rejected as refused:
                logger.info("%s: %s", self.partition, refused)

    async def park(self, decide: Callable[[C, Now, int], Decision[R | None]]) -> R:
        """As `decide`, for a request that may have to wait for others: its response is None, and the Answer of a later
        decision to its token is returned."""
        self.check()
        if len(self._parked) >= MAX_PARKED:
            raise Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        self._tokens += 1
        token = self._tokens
        future = self._parked[token] = asyncio.get_running_loop().create_future()
        try:
            response = await self.decide(lambda core, now: decide(core, now, token))
            if response is None:
                response = await future
        finally:
            self._parked.pop(token, None)
            if future.done() and not future.cancelled():
                future.exception()  # looked at here, where the decision itself was refused
        return response

    async def end_transaction(self, producer: Producer, coordinator_epoch: int, *, commit: bool) -> None:
        """Append a transaction's marker, and let what it wrote here count, or not. Returns at commit.

        Raises Rejected: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, NOT_ENOUGH_REPLICAS, and `check`'s.
        """
        self.check()
        marker = control.batch_of(
            [control.EndTxn(commit, coordinator_epoch)],
            timestamp_ms=self._clock.timestamp_ms(),
            producer_id=producer.id,
            producer_epoch=producer.epoch,
            transactional=True,
        )
        self._append(marker)
        self.core.ended(producer.id, commit)
        await self._settled()

    def check(self) -> None:
        """Raises Rejected: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS."""
        if self.state is State.CLOSED:
            raise Rejected(ErrorCode.NOT_COORDINATOR)
        if self.state is State.LOADING:
            raise Rejected(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)

    # what a decision causes

    def _take(self, decision: Decision[Any]) -> None:
        """Append, replay, do the effects. Raises Rejected: the records cannot be appended."""
        try:
            if decision.records:
                self._write(decision.records, decision.producer)
        except Rejected as refused:
            self._perform(decision.effects, refused)
            raise
        self._perform(decision.effects, None)

    def _write(self, entries: Sequence[Entry], producer: Producer | None) -> None:
        timestamp_ms = self._clock.timestamp_ms()
        records = [Record(0, timestamp_ms, key, value) for key, value in entries]
        id_, epoch = producer or (batch.NO_PRODUCER_ID, -1)
        data = build.build(
            records,
            codec=self._settings.codec,
            producer_id=id_,
            producer_epoch=epoch,
            transactional=producer is not None,
        )
        base = self._append(data)
        for at, entry in enumerate(entries):
            self.core.replay(entry, base + at, id_)

    def _append(self, data: bytes) -> int:
        """Returns the base offset."""
        try:
            appended = self.partition.append(data, all_replicas=True, origin=Origin.COORDINATOR)
        except Rejected as refused:
            if self.partition.log.failed:
                self.close()
            raise Rejected(TOLD.get(refused.code, refused.code), refused.message) from refused
        self._end = appended.last_offset + 1
        return appended.base_offset

    def _perform(self, effects: Sequence[Any], refused: Rejected | None) -> None:
        later = []
        for effect in effects:
            match effect:
                case Timer(key, at_ms):
                    self._timers.set(key, at_ms)
                case Cancel(key):
                    self._timers.cancel(key)
                case _:
                    later.append(effect)
        if not later:
            return
        if refused is not None:
            self._tell(later, refused)
        elif self.partition.hw >= self._end:
            self._tell(later, None)
        else:
            self._await(lambda lost: self._tell(later, lost))

    def _tell(self, effects: Sequence[Any], refused: Rejected | None) -> None:
        for effect in effects:
            if not isinstance(effect, Answer):
                if refused is None:
                    self._foreign(self, effect)
                continue
            future = self._parked.get(effect.token)
            if future is None or future.done():
                continue  # its client has gone
            if refused is None:
                future.set_result(effect.response)
            else:
                future.set_exception(Rejected(refused.code, refused.message))

    def _fired(self, key: Hashable) -> None:
        try:
            self._take(self.core.fired(key, self.now()))
        except Rejected as refused:
            if self.state is State.ACTIVE:
                logger.info("%s: the timer %s comes again: %s", self.partition, key, refused)
                self._timers.set(key, self._clock.now_ms() + RETRY_MS)
        except Exception as e:
            logger.error("%s: the timer %s failed", self.partition, key, exc_info=e)

    # waiting for the high watermark

    async def _settled(self) -> None:
        """Wait until what is appended by now is committed. Raises Rejected: NOT_COORDINATOR: it may be lost;
        COORDINATOR_NOT_AVAILABLE: the replicas take too long."""
        if self.state is State.CLOSED:
            raise Rejected(ErrorCode.NOT_COORDINATOR)
        if self.partition.hw >= self._end:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def told(lost: Rejected | None) -> None:
            if not done.done():
                done.set_exception(lost) if lost is not None else done.set_result(None)

        self._await(told)
        late = Rejected(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        timer = loop.call_later(self._settings.commit_timeout_ms / 1000, told, late)
        try:
            await done
        finally:
            timer.cancel()

    def _await(self, told: Callable[[Rejected | None], None]) -> None:
        """Call `told` when all that is appended by now is committed, or with the refusal when this shard closes."""
        if not self._waiting or self._waiting[-1][0] < self._end:
            self.partition.commits.wait(self._end, self._committed)
        self._waiting.append((self._end, told))

    def _committed(self) -> None:
        waiting, hw = self._waiting, self.partition.hw
        while waiting and waiting[0][0] <= hw:
            waiting.popleft()[1](None)
        if waiting and self.partition.log.failed:
            self.close()

    # the way up and down

    def start(self) -> None:
        self.loading = asyncio.get_running_loop().create_task(self._load())

    async def _load(self) -> None:
        try:
            count = await load(self.partition, self.core, self._settings.load_bytes, self._clock)
        except Exception as e:
            logger.error("%s cannot be loaded: %s", self.partition, e, exc_info=None if isinstance(e, Rejected) else e)
            self.close()
            return
        logger.debug("%s: %d records loaded in epoch %d", self.partition, count, self.epoch)
        self.state, self._end = State.ACTIVE, self.partition.leo
        try:
            self._take(self.core.loaded(self.now()))
        except Rejected as refused:
            logger.info("%s: %s", self.partition, refused)

    def close(self) -> None:
        """Refuse all who wait: another broker coordinates, or nobody does."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        if self.loading is not None:
            self.loading.cancel()
        self._timers.close()
        lost = Rejected(ErrorCode.NOT_COORDINATOR)
        waiting, self._waiting = self._waiting, deque()
        for _, told in waiting:
            told(lost)
        for future in self._parked.values():
            if not future.done():
                future.set_exception(Rejected(ErrorCode.NOT_COORDINATOR))
