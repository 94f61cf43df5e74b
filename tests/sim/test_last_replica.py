"""Last replica standing (KIP-966): whoever comes back first, or with the wrong disk, acknowledged records stay.

One controller (node 0), three brokers, one partition on brokers 1, 2, 3 with min.insync.replicas 2.
"""

import asyncio

from server.metadata.controller import brokers
from server.model.ids import NO_LEADER
from server.wire.messages.unregister_broker import UnregisterBrokerRequest
from tests.sim.disk import MemoryDisk
from tests.sim.inodes import Temper
from tests.sim.one_partition import TIMEOUT_MS, Three, play


def test_a_disk_that_lost_its_tail_does_not_lead_because_it_led_last() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b")
        await three.gone(2, 3)
        three.nodes.crash(1, power=True, temper=Temper.LOSE)
        await three.fenced(1)
        assert three.registration.last_known_elr == (1,)
        three.nodes.launch(1)
        await three.nodes.ready(1)
        assert three.replica(1).leo == 0
        three.nodes.launch(2)
        three.nodes.launch(3)
        await three.whole("a", "b")

    play(main)


def test_a_host_that_is_gone_for_good_is_not_waited_for_for_ever() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b")
        await three.gone(2, 3)
        three.nodes.crash(1, power=True, temper=Temper.LOSE)
        await three.fenced(1)
        three.nodes.launch(3)
        await three.nodes.ready(3)
        await asyncio.sleep(2 * TIMEOUT_MS / 1000)
        assert three.registration.leader == NO_LEADER, "the last known leader is away"
        three.nodes.launch(1)
        await three.nodes.ready(1)
        since = asyncio.get_running_loop().time()
        await three.until(lambda: three.registration.leader == 3)
        assert TIMEOUT_MS - 1000 < (asyncio.get_running_loop().time() - since) * 1000 < TIMEOUT_MS + 1000
        three.nodes.launch(2)
        await three.whole("a", "b")

    play(main)


def test_a_new_controller_finds_what_is_lost() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b")
        await three.gone(2, 3)
        three.nodes.crash(1, power=True, temper=Temper.LOSE)
        await three.fenced(1)
        three.nodes.launch(1)
        three.nodes.launch(2)
        await three.nodes.ready(1, 2)
        three.nodes.crash(0)
        three.nodes.launch(0)
        three.nodes.launch(3)
        await three.nodes.ready(0, 3)
        await three.whole("a", "b")

    play(main)


def test_a_wiped_disk_does_not_lead_though_its_broker_was_the_last_in_sync() -> None:
    async def main(three: Three) -> None:
        await three.write("a", "b")
        for broker in (2, 3, 1):
            await three.nodes.stop(broker)
        wiped = three.nodes.nodes[1]
        wiped.disk = MemoryDisk(wiped.clock.timestamp_ms, three.rng)
        three.nodes._format(wiped)
        three.nodes.launch(1)
        await three.nodes.ready(1)
        assert three.registration.leader == NO_LEADER
        three.nodes.launch(2)
        three.nodes.launch(3)
        await three.whole("a", "b")

    play(main)


def test_an_older_disk_does_not_lead_though_it_was_stopped_cleanly() -> None:
    async def main(three: Three) -> None:
        await three.write("a")
        await three.nodes.stop(1)
        older = three.nodes.nodes[1].disk.crashed(three.rng, Temper.KEEP)
        three.nodes.launch(1)
        await three.in_sync()
        await three.write("b")
        for broker in (2, 3, 1):
            await three.nodes.stop(broker)
        three.nodes.nodes[1].disk = older
        three.nodes.launch(1)
        await three.nodes.ready(1)
        assert (three.replica(1).leo, three.registration.leader) == (1, NO_LEADER)
        three.nodes.launch(2)
        three.nodes.launch(3)
        await three.whole("a", "b")

    play(main)


def test_a_forgotten_broker_with_an_older_disk_is_a_stranger() -> None:
    """It was unregistered while it was eligible, and nobody knows its last epoch any more."""

    async def main(three: Three) -> None:
        await three.write("a")
        await three.nodes.stop(1)
        older = three.nodes.nodes[1].disk.crashed(three.rng, Temper.KEEP)
        three.nodes.launch(1)
        await three.in_sync()
        await three.write("b")
        await three.gone(2)
        for broker in (3, 1):
            await three.nodes.stop(broker)
        assert 1 in three.registration.elr
        controller, forget = three.nodes[0].broker.controller, UnregisterBrokerRequest(1)
        await controller.decide(lambda image: brokers.unregister(image, {}, forget))
        three.nodes.nodes[1].disk = older
        three.nodes.launch(1)
        await three.nodes.ready(1)
        assert (three.replica(1).leo, three.registration.leader) == (1, NO_LEADER)
        three.nodes.launch(3)
        three.nodes.launch(2)
        await three.whole("a", "b")

    play(main)
