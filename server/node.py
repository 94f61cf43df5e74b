"""Node: the composition root, the only file that knows every concrete part.

    node = Node(config, clock=..., network=..., disk=..., rng=...)
    await node.start()      # returns when clients are served
    await node.stop()       # cleanly: nothing needs recovery at the next start

The way up: the directories are claimed, ports bound, the metadata log is opened and the quorum started; once this node
has all that is committed, the broker registers, recovers its logs, opens its partitions, and is unfenced. Ports are
bound first so that a port in use is found before anything is written; a client that comes too early is sent away.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial

from server import dispatch
from server.broker import metadata_log
from server.broker.broker import Broker
from server.broker.channel import Channel
from server.broker.controller import ActiveController
from server.broker.lifecycle import Lifecycle
from server.broker.members import Members
from server.broker.quorum import MetadataQuorum
from server.broker.txn_verification import coordinate_transactions
from server.broker.unclean_recovery import UncleanRecovery
from server.config import NodeConfig
from server.log.dirs import LogDirs
from server.log.log_dir import LogDir
from server.log.owner import StorageFailed
from server.log.sync import SyncJob
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.records import EndPoint
from server.model.errors import Rejected
from server.model.listeners import Listener
from server.net.answers import Disconnect, Peer, Service
from server.net.limits import Limits
from server.net.listener import listen
from server.net.registry import Registry
from server.ports import Clock, Disk, Listening, Network, Rng

logger = logging.getLogger(__name__)

TICK_S = 1.0


class CannotStart(Exception):
    """The node cannot start; the message is what the user reads."""


class Node:
    """fatal: set to the reason once the node cannot go on; who runs it stops it then."""

    def __init__(self, config: NodeConfig, *, clock: Clock, network: Network, disk: Disk, rng: Rng) -> None:
        self.config = config
        self._clock, self._network, self._disk, self._rng = clock, network, disk, rng
        self.fatal: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._listening: dict[str, Listening] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._ready = self._stopping = False
        self._answers_controllers = False
        self._leading: asyncio.Task[None] | None = None
        number = config.number
        self._registry = Registry(
            Limits(
                number("socket.request.max.bytes"),
                number("max.connections"),
                number("max.connections.per.ip"),
                number("connections.max.idle.ms"),
                number("queued.max.request.bytes"),
            )
        )
        self.logs = LogDirs(
            disk,
            clock,
            rng,
            config.log_dirs,
            metadata_dir=config.metadata_log_dir,
            checkpoint_ms=number("log.flush.offset.checkpoint.interval.ms"),
            retention_check_ms=number("log.retention.check.interval.ms"),
            run=self._run_job,
            on_offline=self._directory_failed,
        )
        self.broker: Broker
        self.quorum: MetadataQuorum
        self.controller: ActiveController
        self.recovery: UncleanRecovery
        self.lifecycle: Lifecycle

    # The way up

    async def start(self) -> None:
        """Raises CannotStart, UnusableDirectory, OSError, Rejected; nothing is held then."""
        try:
            await self._start()
        except BaseException:
            self._let_go()
            raise

    async def _start(self) -> None:
        cluster_id = self.logs.claim(self.config.node_id)
        opened = metadata_log.open_quorum(
            self.config, cluster_id, self.logs, self._disk, self._network, self._clock, self._rng, self
        )
        self.quorum, self._first_records = opened.quorum, opened.bootstrap
        idle_ms = self.config.number("metadata.max.idle.interval.ms")
        self.controller = ActiveController(self.quorum, self._clock, idle_ms)
        self.broker = Broker(self.config, cluster_id, self.logs, self.controller, self._clock, self._rng, self._network)
        self.broker.image = self.quorum.image
        self._join(cluster_id)
        coordinate_transactions(self.broker)
        await self._listen()
        self.lifecycle = Lifecycle(self.broker, self._end_points())
        self.broker.settled = self.lifecycle.settled
        self._answers_controllers = True
        self.quorum.start()
        if self.config.is_controller:
            await self._or_fatal(self.lifecycle.register_controller())
        if self.config.is_broker:
            await self._or_fatal(self.lifecycle.register_broker())
            await self._or_fatal(self._load())
            self.broker.open_partitions()
            await self._or_fatal(self.broker.agrees())
            await self._or_fatal(self.lifecycle.unfence())
        self._ready = True
        self._every(TICK_S, self._tick)
        logger.info("node %d is ready: %s", self.config.node_id, ", ".join(map(str, self.addresses)))

    async def _load(self) -> None:
        """Open the logs, and go on voting meanwhile."""
        for _ in self.logs.loading(self.broker.log_settings):
            await asyncio.sleep(0)

    def _join(self, cluster_id: str) -> None:
        """Make the controller's side of this node, and its way to the active controller."""
        broker, node_id = self.broker, self.config.node_id
        members = Members(self.config, cluster_id, self.controller, self._network, self._clock, self._rng)
        broker.members = members
        broker.kraft_version = lambda: self.controller.kraft_version
        self.recovery = UncleanRecovery(self.config, self.controller, self._network, self._clock)
        broker.answer_forwarded = partial(dispatch.answer_forwarded, broker)
        broker.channel = Channel(
            self.controller, members.asked, broker.answer_forwarded, self._network, self._clock, node_id
        )

    async def _or_fatal(self, step: Coroutine[None, None, object]) -> None:
        """Wait for a step of the start, unless the node breaks first. Raises CannotStart."""
        task = asyncio.get_running_loop().create_task(step)
        await asyncio.wait((task, self.fatal), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            raise CannotStart(self.fatal.result())
        task.result()

    async def _listen(self) -> None:
        for listener in self.config.listeners:
            plane = dispatch.CONTROLLER if listener.name in self.config.controller_listener_names else dispatch.BROKER
            serve = self._gate(dispatch.connect(self.broker, listener.name, plane), plane)
            try:
                self._listening[listener.name] = await listen(
                    self._network, self._registry, listener.host, listener.port, serve, self.broker.writes.flush
                )
            except OSError as e:
                where = f"{listener.name}://{listener.host}:{listener.port}"
                raise CannotStart(f"Cannot listen on {where}: {e.strerror or e}.") from e

    def _gate(self, serve: Callable[[Peer], Service], plane: int) -> Callable[[Peer], Service]:
        """Controllers must talk before a node can be ready; all others wait for that."""

        def gated(peer: Peer) -> Service:
            open_now = self._answers_controllers if plane == dispatch.CONTROLLER else self._ready
            return serve(peer) if open_now else _not_yet

        return gated

    @property
    def addresses(self) -> list[str]:
        """NAME://host:port of each listener, with the port that it got."""
        return [
            f"{listener.name}://{listener.host or 'localhost'}:{self._listening[listener.name].port}"
            for listener in self.config.listeners
            if listener.name in self._listening
        ]

    def _end_points(self) -> dict[str, EndPoint]:
        """What this node tells others: each advertised listener, with the port it got where none was given."""
        return {
            told.name: EndPoint(told.name, told.host or "localhost", self._port(told), 0)
            for told in (*self.config.advertised_listeners, *self._controller_listeners())
        }

    def _controller_listeners(self) -> list[Listener]:
        advertised = {told.name for told in self.config.advertised_listeners}
        return [each for each in self.config.listeners if each.name not in advertised]

    def _port(self, listener: Listener) -> int:
        return listener.port or self._listening[listener.name].port

    # What the quorum says

    def publish(self, delta: Delta, image: Image) -> None:
        self.broker.publish(delta, image)
        self.broker.members.published(delta, image)
        if hasattr(self, "recovery"):
            self.recovery.published(delta, image)
        if hasattr(self, "lifecycle"):
            self.lifecycle.published(delta)

    def lead(self) -> None:
        self._leading = asyncio.get_running_loop().create_task(self._lead())

    async def _lead(self) -> None:
        """Take over the controller; what bootstraps the cluster is written before anybody is answered."""
        image = self.quorum.image
        try:
            await self.controller.lead(image, self._first_records(image))
        except Rejected as e:
            logger.info("node %d does not lead the quorum any longer: %s", self.config.node_id, e)
        else:
            self.broker.members.lead()
            self.recovery.lead()
            self._new_controller()

    def follow(self) -> None:
        if self._leading is not None:
            self._leading.cancel()
        self.controller.resign()
        self.broker.members.resign()
        self.recovery.resign()
        self._new_controller()

    def _new_controller(self) -> None:
        self.broker.channel.leader_changed()
        if hasattr(self, "lifecycle"):
            self.lifecycle.heartbeat_now()

    def broken(self, error: BaseException) -> None:
        # A disk that is full or fails is told by the line that ends the process; anything else is ours to find.
        if not isinstance(error, OSError | StorageFailed):
            logger.error("the metadata log failed: %s", error, exc_info=error)
        self._die(f"The metadata log failed: {error}")

    def _die(self, reason: str) -> None:
        if not self.fatal.done():
            self.fatal.set_result(reason)

    # Upkeep

    def _every(self, seconds: float, do: Callable[[], None]) -> None:
        def again() -> None:
            do()
            self._timers.remove(handle)
            self._every(seconds, do)

        handle = asyncio.get_running_loop().call_later(seconds, again)
        self._timers.append(handle)

    def _tick(self) -> None:
        self.logs.tick()
        self.quorum.keep_small()
        now = self._clock.now_ms()
        for partition in self.broker.all_partitions():
            partition.tick(now)

    def _run_job(self, job: SyncJob) -> None:
        done = asyncio.get_running_loop().run_in_executor(None, job.run)
        done.add_done_callback(lambda _: job.finish())

    def _directory_failed(self, directory: LogDir) -> None:
        if directory is self.logs.metadata_dir:
            self._die(f"The log directory of the metadata log failed: {directory.offline}")
        elif all(each.offline is not None for each in self.logs.dirs):
            self._die(f"All log directories failed, the last one, {directory.path}, with: {directory.offline}")
        elif self._ready:
            self.broker.locations.directory_failed(directory, self.broker.all_partitions())
            self.lifecycle.heartbeat_now()

    # The way down

    async def stop(self) -> None:
        """Stop serving, hand over what can be, and leave everything whole on disk."""
        if self._stopping:
            return
        self._stopping, was_ready, self._ready = True, self._ready, False
        for timer in self._timers:
            timer.cancel()
        if was_ready and self.config.is_broker and not self.fatal.done():
            await self.lifecycle.shut_down()
        if was_ready and not self.fatal.done():
            await self.quorum.leave()
        self._let_go()
        logger.info("node %d has stopped", self.config.node_id)

    def _let_go(self) -> None:
        for listening in self._listening.values():
            listening.close()
        self._registry.close_all()
        if hasattr(self, "broker"):
            self.broker.close()
            self.controller.resign()
            self.broker.members.resign()
            self.recovery.resign()
            self.broker.channel.close()
            if hasattr(self, "lifecycle"):
                self.lifecycle.close()
            self.quorum.close()
            self.logs.close(self.lifecycle.broker_epoch if hasattr(self, "lifecycle") else -1)
        else:
            self.logs.release()


def _not_yet(frame: memoryview) -> None:
    raise Disconnect  # it is told to try again, and that is no news
