"""Members: what the active controller knows of brokers beyond the log, and what it does for them.

The log says who is registered and who is fenced. When a broker was last heard of, how far it has replayed the metadata,
and whether its connection still stands is known to the active controller alone, and forgotten with its reign.

A broker that is silent for broker.session.timeout.ms is fenced. One whose connection to this controller broke is looked
after sooner: if its host says, after a grace (broker.gone.grace.ms), that nobody listens on its port, the process is
gone and not merely slow, and it is fenced at once. A controller that begins to lead looks after every broker so, since
those that went with the last controller have no connection that could break. Paused brokers and cut links wait for the
session.

Source: KIP-631 (sessions), KIP-841 (controlled shutdown).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from server.broker.balancing import Balancing
from server.broker.context import Client
from server.broker.controller import ActiveController
from server.broker.creating import create
from server.config import NodeConfig
from server.metadata.controller import brokers, directories, isr, producer_ids
from server.metadata.controller.decision import Decision
from server.metadata.delta import Delta
from server.metadata.image import Broker, Image
from server.model.errors import Rejected
from server.model.ids import BrokerEpoch, NodeId
from server.ports import Clock, Network, Rng
from server.wire.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from server.wire.messages.alter_partition import AlterPartitionRequest, AlterPartitionResponse
from server.wire.messages.assign_replicas_to_dirs import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse
from server.wire.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from server.wire.messages.broker_registration import BrokerRegistrationRequest, BrokerRegistrationResponse
from server.wire.messages.controller_registration import ControllerRegistrationRequest, ControllerRegistrationResponse
from server.wire.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse

logger = logging.getLogger(__name__)

FIRST_CONTACT_MS = 500  # how long a new controller takes a broker for alive that it has not heard of
SWEEP_MS = 250
DIAL_MS = 1_000
ALTER_PARTITION, CREATE_TOPICS, REGISTER_BROKER, HEARTBEAT = 56, 19, 62, 63
ALLOCATE_PRODUCER_IDS, REGISTER_CONTROLLER, ASSIGN_REPLICAS_TO_DIRS = 67, 70, 73


@dataclass(slots=True)
class Member:
    """heard_ms: when it was last heard of, or when this reign began. client: the connection it speaks by."""

    heard_ms: int
    spoke: bool = False
    local: bool = False
    client: Client | None = None
    offset: int = -1  # of the metadata that it has replayed
    leaving_offset: int | None = None  # where its leaderships end, in a controlled shutdown


class Members:
    def __init__(
        self,
        config: NodeConfig,
        cluster_id: str,
        controller: ActiveController,
        network: Network,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self._config, self._cluster_id, self._controller = config, cluster_id, controller
        self._network, self._clock, self._rng = network, clock, rng
        self._balancing = Balancing(config, controller)
        self._members: dict[NodeId, Member] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._doing: set[asyncio.Task[None]] = set()

    # A reign

    def lead(self) -> None:
        """This node's controller is active: every session begins anew."""
        self.resign()
        now = self._clock.now_ms()
        for broker in self._controller.image.brokers.values():
            self._members[broker.broker_id] = Member(now)
            if not broker.fenced and broker.broker_id != self._config.node_id:
                self._do(self._look_after(broker.broker_id))
        self._sweep_later()
        self._balancing.lead()

    def resign(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for task in self._doing:
            task.cancel()
        self._members.clear()
        self._balancing.resign()

    def published(self, delta: Delta, image: Image) -> None:
        """The committed metadata changed."""
        self._balancing.published(delta, image)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _sweep_later(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_MS / 1000, self._fence_the_silent)

    def _fence_the_silent(self) -> None:
        self._sweep_later()
        now, session_ms = self._clock.now_ms(), self._config.number("broker.session.timeout.ms")
        for broker in self._controller.image.brokers.values():
            member = self._members.setdefault(broker.broker_id, Member(now))
            if not broker.fenced and now - member.heard_ms >= session_ms:
                member.heard_ms = now  # do not ask for it again while it is being done
                self._do(self._fence(broker.broker_id, f"nothing was heard of it for {session_ms} ms"))

    async def _fence(self, broker_id: NodeId, why: str) -> None:
        logger.warning("fencing broker %d: %s", broker_id, why)
        try:
            await self._controller.decide(lambda image: brokers.fence(image, self._config.static, broker_id))
        except Rejected as e:
            logger.warning("broker %d is not fenced: %s", broker_id, e)

    # Who is gone

    def _lost(self, broker_id: NodeId, client: Client) -> None:
        member = self._members.get(broker_id)
        if member is not None and member.client is client:
            member.client = None
            self._do(self._look_after(broker_id))

    async def _look_after(self, broker_id: NodeId) -> None:
        """Fence a broker that has no connection to here, and whose port refuses."""
        await asyncio.sleep(self._config.number("broker.gone.grace.ms") / 1000)
        broker = self._controller.image.brokers.get(broker_id)
        if broker is None or broker.fenced or self._speaks(broker_id) or not await self._refuses(broker):
            return
        if not self._speaks(broker_id):
            await self._fence(broker_id, "its connection broke, and nobody listens on its port")

    def _speaks(self, broker_id: NodeId) -> bool:
        member = self._members.get(broker_id)
        return member is not None and (member.local or member.client is not None)

    async def _refuses(self, broker: Broker) -> bool:
        """Whether the broker's host says that nobody listens there."""
        for place in broker.end_points[:1]:
            try:
                async with asyncio.timeout(DIAL_MS / 1000):
                    knock = await self._network.dial(Knock, place.host, place.port)
            except ConnectionRefusedError:
                return True
            except (OSError, TimeoutError):
                return False
            knock.end()
        return False

    # What brokers and controllers ask

    @property
    def asked(self) -> Mapping[int, Callable[[Any], Awaitable[Any]]]:
        """What this node asks the active controller when that is itself."""
        return {
            CREATE_TOPICS: self.create_topics,
            ALTER_PARTITION: self.alter_partition,
            REGISTER_BROKER: self.register,
            HEARTBEAT: self.heartbeat,
            ALLOCATE_PRODUCER_IDS: self.allocate_producer_ids,
            REGISTER_CONTROLLER: self.register_controller,
            ASSIGN_REPLICAS_TO_DIRS: self.assign_directories,
        }

    async def register(
        self, request: BrokerRegistrationRequest, client: Client | None = None
    ) -> BrokerRegistrationResponse:
        """client: the connection; None for this node's own broker. Raises Rejected."""
        broker_id = NodeId(request.broker_id)
        alive = client is not None and self._is_alive(broker_id)

        response = await self._controller.decide(
            lambda image: brokers.register(
                image,
                self._config.static,
                request,
                cluster_id=self._cluster_id,
                new_epoch=BrokerEpoch(image.offset + 1),
                session_alive=alive,
            )
        )
        self._heard(broker_id, client)
        return response

    def _is_alive(self, broker_id: NodeId) -> bool:
        """Whether the registered incarnation may still run: its connection stands, or it had no time to come here."""
        member, broker = self._members.get(broker_id), self._controller.image.brokers.get(broker_id)
        if member is None or broker is None or broker.fenced:
            return False
        silent_ms = self._clock.now_ms() - member.heard_ms
        if not member.spoke:
            return silent_ms < FIRST_CONTACT_MS
        return self._speaks(broker_id) and silent_ms < self._config.number("broker.session.timeout.ms")

    async def heartbeat(self, request: BrokerHeartbeatRequest, client: Client | None = None) -> BrokerHeartbeatResponse:
        """Raises Rejected."""
        broker_id = NodeId(request.broker_id)
        caught_up = self._others_caught_up(broker_id)
        member: Member

        def decide(image: Image) -> Decision[BrokerHeartbeatResponse]:
            nonlocal member
            decision = brokers.heartbeat(image, self._config.static, request, others_caught_up=caught_up)
            member = self._heard(broker_id, client)  # it is alive now, whenever what it waits for is committed
            return decision

        response = await self._controller.decide(decide)
        member.offset = request.current_metadata_offset
        if request.want_shut_down and member.leaving_offset is None:
            member.leaving_offset = self._controller.image.offset
        return response

    def _heard(self, broker_id: NodeId, client: Client | None) -> Member:
        now = self._clock.now_ms()
        member = self._members.setdefault(broker_id, Member(now))
        member.heard_ms, member.spoke, member.local = now, True, client is None
        if client is not None and member.client is not client:
            member.client = client
            client.on_lost.append(lambda: self._lost(broker_id, client))
        return member

    def _others_caught_up(self, broker_id: NodeId) -> bool:
        """Whether all other active brokers know that this one, which wants to stop, leads nothing any more."""
        leaving = self._members.get(broker_id)
        others = [
            self._members.get(other.broker_id)
            for other in self._controller.image.brokers.values()
            if other.active and other.broker_id != broker_id
        ]
        if not others:
            return True
        if leaving is None or leaving.leaving_offset is None:
            return False
        return all(other is not None and other.offset >= leaving.leaving_offset for other in others)

    async def register_controller(self, request: ControllerRegistrationRequest) -> ControllerRegistrationResponse:
        return await self._controller.decide(lambda image: brokers.register_controller(image, request))

    async def allocate_producer_ids(self, request: AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
        return await self._controller.decide(lambda image: producer_ids.allocate(image, request))

    async def alter_partition(self, request: AlterPartitionRequest) -> AlterPartitionResponse:
        return await self._controller.decide(lambda image: isr.alter(image, self._config.static, request))

    async def assign_directories(self, request: AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse:
        return await self._controller.decide(lambda image: directories.assign(image, self._config.static, request))

    async def create_topics(self, request: CreateTopicsRequest) -> CreateTopicsResponse:
        return await create(self._controller, self._config.static, self._rng, request)

    def image(self) -> Image:
        return self._controller.image


class Knock(asyncio.Protocol):
    """A connection that is made only to see whether it can be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def end(self) -> None:
        self._transport.close()
