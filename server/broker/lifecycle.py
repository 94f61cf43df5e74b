"""Lifecycle: this node introduces itself to the controller, serves, says what it lost, and takes its leave.

Whatever is asked here is asked of the active controller through the channel, on this node or another.

Source: KIP-631 (registration, fencing, heartbeats), KIP-841 (shutdown), KIP-858 (directories), KIP-919 (controllers).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from server.broker.broker import Broker
from server.broker.members import HEARTBEAT, REGISTER_BROKER, REGISTER_CONTROLLER
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.records import EndPoint
from server.model.errors import ErrorCode, Rejected
from server.model.features import TAKEN
from server.model.ids import BrokerEpoch, NodeId
from server.wire.messages import broker_registration, controller_registration
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse

logger = logging.getLogger(__name__)

UNREGISTERED = BrokerEpoch(-1)
RETRY_MS = 50
LEAVE_ATTEMPT_MS = 1_000  # how long a node that stops looks for a controller to take its leave from
LEAVE_ANSWER_MS = 10_000  # how long one may take to answer: thousands of partitions get other leaders in between
LEAVE_MS = 60_000  # how long it waits for others to take over its partitions
HEARTBEAT_MS = 3_000  # one heartbeat's time
UNKNOWN = (ErrorCode.STALE_BROKER_EPOCH, ErrorCode.BROKER_ID_NOT_REGISTERED)
PASSING = (ErrorCode.NOT_CONTROLLER, ErrorCode.DUPLICATE_BROKER_REGISTRATION, ErrorCode.REQUEST_TIMED_OUT)


class Lifecycle:
    def __init__(self, broker: Broker, end_points: Mapping[str, EndPoint]) -> None:
        """end_points: what this node tells others, by listener name."""
        self._broker, self._end_points = broker, end_points
        self._incarnation: UUID = broker.rng.uuid()
        self._published = asyncio.Event()
        self._beat = asyncio.Event()  # set: the next heartbeat is due at once
        self._beating: asyncio.Task[None] | None = None
        self.broker_epoch = UNREGISTERED
        self._refused: set[str] = set()  # what was complained of since the last heartbeat that was taken

    # The way up

    async def register_controller(self) -> None:
        """Say where this node's controller listens. Raises Rejected."""
        names = self._broker.config.controller_listener_names
        request = controller_registration.ControllerRegistrationRequest(
            self._broker.node_id,
            self._incarnation,
            listeners=[
                controller_registration.Listener(told.name, told.host, told.port, told.security_protocol)
                for told in self._of(names)
            ],
            features=[controller_registration.Feature(name, *levels) for name, levels in TAKEN.items()],
        )
        while True:
            try:
                await self._broker.channel.request(REGISTER_CONTROLLER, request)
            except Rejected as e:
                if e.code != ErrorCode.NOT_CONTROLLER:
                    raise
                logger.info("waiting for a quorum of controllers: %s", e)
            else:
                return

    async def register_broker(self) -> None:
        """Register, fenced, and wait for all metadata up to there.

        Raises Rejected: the controller does not take this broker; or not within initial.broker.registration.timeout.ms.
        """
        broker, said = self._broker, ""
        deadline = broker.clock.now_ms() + broker.config.number("initial.broker.registration.timeout.ms")
        while True:
            try:
                await self._register(broker.logs.clean_epoch)
                break
            except Rejected as e:
                if e.code not in PASSING:
                    raise
                why = self._why_not(e)
                if broker.clock.now_ms() >= deadline:
                    raise Rejected(e.code, f"Broker {broker.node_id} could not register in time: {why}") from e
                if why != said:  # once, however often it is tried
                    logger.warning("broker %d is not registered yet: %s", broker.node_id, why)
                said = why
            await asyncio.sleep(RETRY_MS / 1000)
        await self._until(lambda image: image.offset >= self.broker_epoch)

    def _why_not(self, refused: Rejected) -> str:
        if refused.code != ErrorCode.DUPLICATE_BROKER_REGISTRATION:
            return str(refused)
        node_id = self._broker.node_id
        known = self._broker.image.brokers.get(node_id)
        places = () if known is None else known.end_points
        where = "".join(f", at {each.host}:{each.port}" for each in places[:1])
        return (
            f"a broker {node_id} is registered{where}, and alive. If that was this node before it died, its session "
            f"ends within broker.session.timeout.ms; if not, give one of the two a node.id of its own."
        )

    async def _register(self, previous_epoch: int) -> None:
        """previous_epoch: the registration since which nothing can have been lost; -1 for none. Raises Rejected."""
        broker = self._broker
        names = [listener.name for listener in broker.config.advertised_listeners]
        request = broker_registration.BrokerRegistrationRequest(
            broker.node_id,
            broker.cluster_id,
            self._incarnation,
            [
                broker_registration.Listener(told.name, told.host, told.port, told.security_protocol)
                for told in self._of(names)
            ],
            [broker_registration.Feature(name, *levels) for name, levels in TAKEN.items()],
            broker.config.rack,
            log_dirs=[each.directory_id for each in broker.logs.dirs if each.directory_id is not None],
            previous_broker_epoch=previous_epoch,
        )
        response = await broker.channel.request(REGISTER_BROKER, request)
        self.broker_epoch = broker.broker_epoch = BrokerEpoch(response.broker_epoch)

    async def unfence(self) -> None:
        """Begin to serve: lead what nobody else may. Returns when this node's own metadata says so.

        Raises Rejected: the controller does not take this broker. That there is no controller passes.
        """
        while await self._is_fenced():
            with suppress(TimeoutError):  # it may have to catch up with the metadata first
                await asyncio.wait_for(self._published.wait(), RETRY_MS / 1000)
        self._beating = asyncio.get_running_loop().create_task(self._beat_on())
        node_id = self._broker.node_id
        await self._until(lambda image: node_id in image.brokers and not image.brokers[node_id].fenced)

    async def _is_fenced(self) -> bool:
        try:
            return (await self._heartbeat()).is_fenced
        except Rejected as e:
            if e.code not in PASSING:
                raise
            self._complain(f"broker {self._broker.node_id} is not unfenced yet", e)
            return True

    async def _until(self, holds: Callable[[Image], bool]) -> None:
        """Wait for an image."""
        while not holds(self._broker.image):
            await self._published.wait()

    def published(self, delta: Delta) -> None:
        """The image has changed. Who wants to stop waits until others know that it does: tell that at once."""
        self._published.set()
        self._published = asyncio.Event()
        if delta.brokers_changed:
            self._tell_who_leaves(delta.brokers_changed)

    def settled(self) -> None:
        """This node has done what the image says: nobody who leaves needs to wait for the next heartbeat."""
        brokers = self._broker.image.brokers
        self._tell_who_leaves([each for each in brokers if not brokers[each].fenced])

    def _tell_who_leaves(self, changed: Iterable[NodeId]) -> None:
        brokers = self._broker.image.brokers
        if any(each in brokers and brokers[each].in_controlled_shutdown for each in changed):
            self.heartbeat_now()

    # While it serves

    def heartbeat_now(self) -> None:
        """There is something to tell: a directory that failed, another controller."""
        self._beat.set()

    async def _beat_on(self) -> None:
        interval_s = self._broker.config.number("broker.heartbeat.interval.ms") / 1000
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._beat.wait(), interval_s)
            self._beat.clear()
            try:
                await self._heartbeat()
                self._refused.clear()
            except Rejected as e:
                self._complain("the controller did not take this node's heartbeat", e)
                if e.code in UNKNOWN:
                    await self._register_anew()

    async def _register_anew(self) -> None:
        """The controller knows this broker by another registration, or by none: it was unregistered.

        The incarnation stays, and nothing was lost: this process has run all the time. Heartbeats unfence it again.
        """
        try:
            await self._register(self.broker_epoch)
        except Rejected as e:
            # Another process has this id. That one is served; this one goes on asking, in case it was the mistake.
            self._complain(f"broker {self._broker.node_id} cannot register again", e)
        else:
            logger.warning("broker %d registered anew, in epoch %d", self._broker.node_id, self.broker_epoch)
            self.heartbeat_now()

    def _complain(self, what: str, error: Rejected) -> None:
        """Say it once, not with every heartbeat."""
        text = f"{what}: {error}"
        if text not in self._refused:
            logger.warning("%s", text)
        self._refused.add(text)

    # The way down

    async def shut_down(self) -> None:
        """Give up every leadership and be fenced, so that clients need not find out by themselves."""
        self.close()
        deadline = self._broker.clock.now_ms() + LEAVE_MS
        try:
            while not (await self._heartbeat(want_shut_down=True)).should_shut_down:
                if self._broker.clock.now_ms() >= deadline:
                    logger.warning("stopping although other brokers have not taken over all partitions")
                    return
                await asyncio.sleep(RETRY_MS / 1000)
        except Rejected as e:
            logger.warning("stopping without the controller's leave: %s", e)

    def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None

    async def _heartbeat(self, *, want_shut_down: bool = False) -> BrokerHeartbeatResponse:
        broker = self._broker
        request = BrokerHeartbeatRequest(
            broker.node_id,
            self.broker_epoch,
            broker.applied_offset,
            want_shut_down=want_shut_down,
            offline_log_dirs=self._offline_directories(),
        )
        timeout_ms = LEAVE_ATTEMPT_MS if want_shut_down else HEARTBEAT_MS
        response: BrokerHeartbeatResponse = await broker.channel.request(
            HEARTBEAT, request, timeout_ms=timeout_ms, answer_ms=LEAVE_ANSWER_MS if want_shut_down else None
        )
        return response

    def _offline_directories(self) -> Sequence[UUID]:
        dirs = self._broker.logs.dirs
        return [each.directory_id for each in dirs if each.offline is not None and each.directory_id is not None]

    def _of(self, names: Sequence[str]) -> list[EndPoint]:
        return [self._end_points[name] for name in names if name in self._end_points]
