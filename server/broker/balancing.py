"""Balancing: the elections that the active controller holds of itself.

Every leader.imbalance.check.interval.seconds leaders move back to the preferred replicas, if
auto.leader.rebalance.enable says so. Partitions without a leader get one uncleanly where their topic allows it: soon
after a setting says that it does, and every UNCLEAN_CHECK_MS for what changed unseen, such as this node's own file. One
batch is committed before the next is decided, so that other requests come in between.

Source: KIP-183, KIP-106; the intervals are Kafka's.
"""

import asyncio
import logging
from collections.abc import Callable

from server.broker.controller import ActiveController
from server.config import NodeConfig
from server.metadata.controller import elect_leaders
from server.metadata.controller.decision import Decision
from server.metadata.delta import Delta
from server.metadata.image import Image
from server.metadata.settings import Static
from server.model.errors import Rejected
from server.model.settings.kinds import ResourceType

logger = logging.getLogger(__name__)

UNCLEAN_CHECK_MS = 5 * 60_000
UNCLEAN = "unclean.leader.election.enable"
Elect = Callable[[Image, Static], Decision[bool]]


class Balancing:
    def __init__(self, config: NodeConfig, controller: ActiveController) -> None:
        self._config, self._controller = config, controller
        self._timers: dict[Elect, asyncio.TimerHandle] = {}
        self._running: dict[Elect, asyncio.Task[None]] = {}
        self._due: set[Elect] = set()

    def lead(self) -> None:
        """This node's controller is active."""
        self.resign()
        if self._config.flag("auto.leader.rebalance.enable"):
            self._every(self._config.number("leader.imbalance.check.interval.seconds"), elect_leaders.balance)
        self._every(UNCLEAN_CHECK_MS / 1000, elect_leaders.rescue)

    def resign(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._running.values():
            task.cancel()
        self._timers.clear()
        self._running.clear()
        self._due.clear()

    def published(self, delta: Delta, image: Image) -> None:
        """Look for partitions without a leader when a setting of this change may allow them an unclean one."""
        if not self._timers:
            return
        for resource in delta.configs_changed:
            if resource.type in (ResourceType.TOPIC, ResourceType.BROKER):
                before = delta.base.config(resource.type, resource.name).get(UNCLEAN)
                if image.config(resource.type, resource.name).get(UNCLEAN) != before:
                    self._start(elect_leaders.rescue)
                    return

    def _every(self, seconds: float, elect: Elect) -> None:
        def again() -> None:
            self._every(seconds, elect)
            self._start(elect)

        self._timers[elect] = asyncio.get_running_loop().call_later(seconds, again)

    def _start(self, elect: Elect) -> None:
        self._due.add(elect)
        if elect not in self._running:
            task = self._running[elect] = asyncio.get_running_loop().create_task(self._run(elect))
            task.add_done_callback(lambda _: self._ended(elect, task))

    def _ended(self, elect: Elect, task: asyncio.Task[None]) -> None:
        if self._running.get(elect) is task:
            del self._running[elect]

    async def _run(self, elect: Elect) -> None:
        try:
            while elect in self._due:
                self._due.discard(elect)
                while await self._controller.decide(lambda image: elect(image, self._config.static)):
                    pass
        except Rejected as e:
            logger.info("elections wait for the next time: %s", e)
