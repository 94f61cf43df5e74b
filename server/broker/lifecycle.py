"""Lifecycle: this node introduces itself to the controller, serves, says what it lost, and takes its leave.

Source: KIP-631 (registration, fencing), KIP-704 (leaders that recover), KIP-841 (shutdown), KIP-858 (directories),
KIP-919 (controllers).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from server.broker.broker import Broker
from server.metadata.controller import brokers, recovery
from server.metadata.records import EndPoint
from server.model.errors import Rejected
from server.model.features import SUPPORTED
from server.model.ids import BrokerEpoch
from server.wire.messages import broker_registration, controller_registration
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse

logger = logging.getLogger(__name__)

UNREGISTERED = BrokerEpoch(-1)


class Lifecycle:
    def __init__(self, broker: Broker, end_points: Mapping[str, EndPoint]) -> None:
        """end_points: what this node tells others, by listener name."""
        self._broker, self._end_points = broker, end_points
        self._incarnation: UUID = broker.rng.uuid()
        self._reporting: set[asyncio.Task[None]] = set()
        self.broker_epoch = UNREGISTERED

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
            features=[controller_registration.Feature(name, *levels) for name, levels in SUPPORTED.items()],
        )
        await self._broker.controller.decide(lambda image: brokers.register_controller(image, request))

    async def register_broker(self) -> None:
        """Register, fenced. Raises Rejected: the controller does not take this broker."""
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
            [broker_registration.Feature(name, *levels) for name, levels in SUPPORTED.items()],
            broker.config.rack,
            log_dirs=[each.directory_id for each in broker.logs.dirs if each.directory_id is not None],
            previous_broker_epoch=broker.logs.clean_epoch,
        )
        response = await broker.controller.decide(
            lambda image: brokers.register(
                image,
                broker.config.static,
                request,
                cluster_id=broker.cluster_id,
                new_epoch=BrokerEpoch(image.offset + 1),
                session_alive=False,  # in a quorum of one, whoever was registered before was this node
            )
        )
        self.broker_epoch = BrokerEpoch(response.broker_epoch)
        broker.broker_epoch = self.broker_epoch

    async def unfence(self) -> None:
        """Begin to serve: lead what nobody else may, and declare recovered what was elected uncleanly."""
        await self._heartbeat()
        await self._broker.controller.decide(lambda image: recovery.recovered(image, self._broker.node_id))

    def directory_failed(self) -> None:
        """Tell the controller which directories are offline; their replicas must be led elsewhere, or nowhere."""
        task = asyncio.get_running_loop().create_task(self._report())
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def _report(self) -> None:
        try:
            await self._heartbeat()
        except Rejected as e:
            logger.error("the controller was not told of the failed directory: %s", e)

    async def shut_down(self) -> None:
        """Give up every leadership and be fenced, so that clients need not find out by themselves."""
        try:
            while not (await self._heartbeat(want_shut_down=True)).should_shut_down:
                logger.debug("waiting for other brokers to take over the leadership of partitions")
        except Rejected as e:
            logger.warning("stopping without the controller's leave: %s", e)

    async def _heartbeat(self, *, want_shut_down: bool = False) -> BrokerHeartbeatResponse:
        broker = self._broker
        request = BrokerHeartbeatRequest(
            broker.node_id,
            self.broker_epoch,
            broker.image.offset,
            want_shut_down=want_shut_down,
            offline_log_dirs=self._offline_directories(),
        )
        return await broker.controller.decide(lambda image: brokers.heartbeat(image, broker.config.static, request))

    def _offline_directories(self) -> Sequence[UUID]:
        dirs = self._broker.logs.dirs
        return [each.directory_id for each in dirs if each.offline is not None and each.directory_id is not None]

    def _of(self, names: Sequence[str]) -> list[EndPoint]:
        return [self._end_points[name] for name in names if name in self._end_points]
