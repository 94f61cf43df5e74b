"""Fetchers: bring what leaders on other nodes have to the replicas that follow them here.

One fetcher for each leading broker: one connection, one fetch session, one request at a time, for all partitions that
this node follows from there. A request asks from where each log ends, which tells the leader what is held; the answer's
batches go to the logs as views of the receive buffer.

A partition whose answer was an error is left out for a while, which doubles with each error in a row up to
replica.fetch.backoff.ms; so does the whole fetcher when its leader cannot be reached. New metadata ends the wait.

A throttled partition that is not in sync is left out while the throttle lets nothing through, and asks for no more than
its share of what it lets.

Source: KIP-73 (throttles), KIP-227 (sessions), KIP-516 (ids), KIP-595 (diverging epochs), KIP-903 (broker epochs).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from server.broker.partition import Partition
from server.broker.throttles import Throttles
from server.config import NodeConfig
from server.model.errors import ErrorCode, Rejected
from server.model.ids import BrokerEpoch, NodeId
from server.net.peer import Peer, Unreachable
from server.ports import Clock
from server.replication.fetch_session import FetchSession, Key
from server.replication.follower import BackOff, Locate, Position
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, PartitionData, ReplicaState
from server.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

logger = logging.getLogger(__name__)

FETCH, LIST_OFFSETS = 1, 2
LATEST, EARLIEST = -1, -2
FIRST_BACKOFF_MS = 20
DOUBT_MS = 2_000  # how long a leader whose connection broke is not named to clients; it may just be restarting
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Settings:
    """replica.fetch.* and replica.socket.timeout.ms."""

    partition_bytes: int
    response_bytes: int
    min_bytes: int
    wait_ms: int
    backoff_ms: int
    timeout_ms: int

    @staticmethod
    def of(config: NodeConfig) -> "Settings":
        number = config.number
        return Settings(
            number("replica.fetch.max.bytes"),
            number("replica.fetch.response.max.bytes"),
            number("replica.fetch.min.bytes"),
            number("replica.fetch.wait.max.ms"),
            number("replica.fetch.backoff.ms"),
            number("replica.socket.timeout.ms"),
        )

    def delay_s(self, failures: int) -> float:
        return min(FIRST_BACKOFF_MS << min(failures, 16), self.backoff_ms) / 1000


class Fetchers:
    """All of a node's fetchers, by the broker that leads."""

    def __init__(
        self,
        node: NodeId,
        settings: Settings,
        broker_epoch: Callable[[], BrokerEpoch],
        address_of: Callable[[NodeId], Address | None],
        connect: Callable[[str, int], Peer],
        throttles: Throttles,
        clock: Clock,
    ) -> None:
        """address_of: where other brokers find a broker; None while the metadata does not say."""
        self._throttles, self._clock = throttles, clock
        self._node, self._settings, self._broker_epoch = node, settings, broker_epoch
        self._address_of, self._connect = address_of, connect
        self._fetchers: dict[NodeId, Fetcher] = {}
        self._leaders: dict[Key, NodeId] = {}  # of the partitions that are fetched

    def assign(self, partition: Partition) -> None:
        """Follow its leader, or nobody: called after each change of its role."""
        key = partition.topic_id, partition.index
        leader = None if partition.follower is None or partition.log.failed else partition.leader_id
        before = self._leaders.get(key)
        if before is not None and before != leader:
            self._leave(key)
        if leader is None:
            return
        fetcher = self._fetcher(leader)
        if fetcher is not None:
            self._leaders[key] = leader
            fetcher.follow(partition)

    def drop(self, partition: Partition) -> None:
        self._leave((partition.topic_id, partition.index))

    def moved(self, brokers: Iterable[NodeId]) -> list[Partition]:
        """The metadata changed about these brokers: connect anew to those that moved.

        The partitions that were followed there come back; they are to be assigned again.
        """
        left: list[Partition] = []
        for broker in brokers:
            fetcher = self._fetchers.get(broker)
            if fetcher is not None and fetcher.address != self._address_of(broker):
                left += fetcher.partitions.values()
        for partition in left:
            self.drop(partition)
        return left

    def doubted(self) -> frozenset[NodeId]:
        """Leaders whose connection has just broken, and is not back."""
        return frozenset(leader for leader, fetcher in self._fetchers.items() if fetcher.doubts)

    def close(self) -> None:
        for fetcher in self._fetchers.values():
            fetcher.close()
        self._fetchers.clear()
        self._leaders.clear()

    def _fetcher(self, leader: NodeId) -> "Fetcher | None":
        if leader not in self._fetchers:
            address = self._address_of(leader)
            if address is None:
                logger.warning("broker %d leads, and has no address yet", leader)
                return None
            self._fetchers[leader] = Fetcher(
                leader,
                address,
                self._connect(*address),
                self._node,
                self._settings,
                self._broker_epoch,
                self._throttles,
                self._clock,
            )
        return self._fetchers[leader]

    def _leave(self, key: Key) -> None:
        leader = self._leaders.pop(key, None)
        if leader is None:
            return
        fetcher = self._fetchers[leader]
        fetcher.leave(key)
        if not fetcher.partitions:
            fetcher.close()
            del self._fetchers[leader]


class Fetcher:
    def __init__(
        self,
        leader: NodeId,
        address: Address,
        peer: Peer,
        node: NodeId,
        settings: Settings,
        broker_epoch: Callable[[], BrokerEpoch],
        throttles: Throttles,
        clock: Clock,
    ) -> None:
        self.leader, self.address = leader, address
        self._throttles, self._clock = throttles, clock
        self._held: set[Key] = set()  # throttled ones that are fetched
        self.partitions: dict[Key, Partition] = {}
        self._peer, self._node, self._settings, self._broker_epoch = peer, node, settings, broker_epoch
        self._session = FetchSession()
        self._failures: dict[Key, int] = {}
        self._waits: dict[Key, asyncio.TimerHandle] = {}
        self._work = asyncio.Event()
        self._closed = False
        self._answered_ms: int | None = None  # when the leader last answered; None: not since this node follows it
        self._task = asyncio.get_running_loop().create_task(self._run())

    def follow(self, partition: Partition) -> None:
        """Fetch it from where it stands, now, even if it was to wait."""
        key = partition.topic_id, partition.index
        self.partitions[key] = partition
        self._failures.pop(key, None)
        self._want(key, partition)

    def leave(self, key: Key) -> None:
        self._failures.pop(key, None)
        self._pause(key)
        self.partitions.pop(key, None)

    @property
    def doubts(self) -> bool:
        """Whether the connection broke a moment ago. Without one for longer than that, the metadata is right."""
        if self._peer.connected or self._answered_ms is None:
            return False
        return self._clock.now_ms() - self._answered_ms < self._settings.wait_ms + DOUBT_MS

    def close(self) -> None:
        self._closed = True
        for timer in self._waits.values():
            timer.cancel()
        self._peer.close()
        self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        while not self._closed:
            self._hold_back()
            if not self._session.partitions:
                self._work.clear()
                await self._work.wait()
                continue
            try:
                response = await self._fetch()
                self._answered_ms = self._clock.now_ms()
                failures = 0
                await self._take(response)
            except (Unreachable, Rejected) as e:
                self._session.reset()
                logger.info("fetching from broker %d failed: %s", self.leader, e)
                await asyncio.sleep(self._settings.delay_s(failures))
                failures += 1
            except Exception as e:
                # A bug must not end the replication of all partitions that this leader has.
                self._session.reset()
                logger.error("fetching from broker %d failed", self.leader, exc_info=e)
                await asyncio.sleep(self._settings.backoff_ms / 1000)

    async def _fetch(self) -> FetchResponse:
        wanted, settings = self._session.request(), self._settings
        request = FetchRequest(
            replica_id=self._node,
            replica_state=ReplicaState(self._node, self._broker_epoch()),
            max_wait_ms=settings.wait_ms,
            min_bytes=settings.min_bytes,
            max_bytes=settings.response_bytes,
            session_id=wanted.session_id,
            session_epoch=wanted.session_epoch,
            topics=wanted.topics,
            forgotten_topics_data=wanted.forgotten,
        )
        response = await self._peer.request(FETCH, request, settings.timeout_ms)
        assert isinstance(response, FetchResponse)
        return response

    async def _take(self, response: FetchResponse) -> None:
        """Raises Rejected: the leader refused the whole request for another reason than its session."""
        if not self._session.answered(response):
            code = ErrorCode(response.error_code)
            if code not in (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, ErrorCode.INVALID_FETCH_SESSION_EPOCH):
                raise Rejected(code)
            return
        lost: list[tuple[Key, Position]] = []
        for topic in response.responses:
            for row in topic.partitions:
                key = topic.topic_id, row.partition_index
                asked = self._session.asked(key)
                if asked is not None and key in self.partitions:
                    position = Position(asked.current_leader_epoch, asked.fetch_offset, asked.last_fetched_epoch)
                    if self._answered(key, position, row):
                        lost.append((key, position))
        if lost:
            await self._locate(lost)

    def _answered(self, key: Key, asked: Position, row: PartitionData) -> bool:
        """Give a partition its answer; whether it is out of the leader's range."""
        partition = self.partitions[key]
        try:
            left = partition.answered(asked, row)
        except Rejected as e:
            if not partition.log.failed:
                logger.warning("what broker %d sent for %s cannot be appended: %s", self.leader, partition, e)
            self._back_off(key)
            return False
        if isinstance(left, Locate):
            logger.info("%s ends at %d, out of the range of its leader %d", partition, asked.offset, self.leader)
            self._pause(key)
            return True
        if isinstance(left, BackOff):
            logger.debug("broker %d answers %s with error %d", self.leader, partition, row.error_code)
            self._back_off(key)
            return False
        self._failures.pop(key, None)
        if key in self._held and row.records:
            self._throttles.follower.took(len(row.records), self._clock.now_ms())
        self._want(key, partition)
        return False

    def _hold_back(self) -> None:
        """Ask nothing for throttled partitions while their throttle lets nothing through."""
        wait_ms = self._throttles.follower.wait_ms(self._clock.now_ms()) if self._held else 0
        if wait_ms:
            for key in list(self._held):
                self._pause(key)
                self._waits[key] = asyncio.get_running_loop().call_later(wait_ms / 1000, self._resume, key)

    def _most(self, key: Key, partition: Partition) -> int:
        """How many bytes to ask of a partition at a time."""
        if partition.in_sync or not self._throttles.holds_fetcher(partition.topic, partition.index):
            self._held.discard(key)
            return self._settings.partition_bytes
        self._held.add(key)
        throttle = self._throttles.follower
        share = max(throttle.allowance(self._clock.now_ms()), throttle.least) // len(self._held)
        return min(max(share, 1), self._settings.partition_bytes)

    async def _locate(self, lost: list[tuple[Key, Position]]) -> None:
        """Ask where the leader's logs begin and end, and start there."""
        ends, starts = await self._offsets(lost, LATEST), await self._offsets(lost, EARLIEST)
        for key, asked in lost:
            partition = self.partitions.get(key)
            if partition is None:
                continue
            if key not in ends or key not in starts:
                self._back_off(key)
                continue
            try:
                left = partition.located(asked, starts[key], ends[key])
            except Rejected:
                left = BackOff()
            if left is None:
                logger.info("%s goes on at %d", partition, partition.leo)
                self._want(key, partition)
            else:
                self._back_off(key)

    async def _offsets(self, lost: list[tuple[Key, Position]], timestamp: int) -> dict[Key, int]:
        """One offset of each of these partitions at the leader; where it does not say, there is none."""
        rows: dict[str, list[ListOffsetsPartition]] = {}
        ids: dict[str, UUID] = {}
        for key, asked in lost:
            partition = self.partitions.get(key)
            if partition is not None:
                ids[partition.topic] = partition.topic_id
                wanted = ListOffsetsPartition(partition.index, asked.leader_epoch, timestamp)
                rows.setdefault(partition.topic, []).append(wanted)
        request = ListOffsetsRequest(self._node, topics=[ListOffsetsTopic(name, wants) for name, wants in rows.items()])
        try:
            response = await self._peer.request(LIST_OFFSETS, request, self._settings.timeout_ms)
        except Unreachable:
            return {}
        return {
            (ids[topic.name], row.partition_index): row.offset
            for topic in response.topics
            for row in topic.partitions
            if not row.error_code and topic.name in ids
        }

    def _want(self, key: Key, partition: Partition) -> None:
        core = partition.follower
        if core is None or partition.log.failed:
            return self._pause(key)
        at = core.position
        self._stop_waiting(key)
        self._session.want(
            partition.topic_id,
            FetchPartition(
                partition.index,
                at.leader_epoch,
                at.offset,
                at.last_fetched_epoch,
                partition.log_start_offset,
                self._most(key, partition),
            ),
        )
        return self._work.set()

    def _pause(self, key: Key) -> None:
        self._stop_waiting(key)
        self._held.discard(key)
        self._session.forget(key)

    def _back_off(self, key: Key) -> None:
        self._pause(key)
        if not self.partitions[key].log.failed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            delay_s = self._settings.delay_s(failures)
            self._waits[key] = asyncio.get_running_loop().call_later(delay_s, self._resume, key)

    def _resume(self, key: Key) -> None:
        self._want(key, self.partitions[key])

    def _stop_waiting(self, key: Key) -> None:
        timer = self._waits.pop(key, None)
        if timer is not None:
            timer.cancel()
