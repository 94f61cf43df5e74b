"""Brokers with two disks each (KIP-858): the controller knows which replica is where, and what a lost disk took along.

One controller (node 0), three brokers, one partition on brokers 1, 2, 3 with min.insync.replicas 2.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable

from server.log.log_dir import LogDir
from server.model.ids import NO_LEADER, UNASSIGNED_DIR, DirectoryId, NodeId
from tests.sim.one_partition import BROKERS, Three, play

DISKS = {"log.dirs": "/disk1,/disk2", "metadata.log.dir": "/data"}


def where(three: Three, broker: int) -> LogDir:
    """The directory that the replica is in."""
    return three.nodes[broker].logs.dir_of(three.replica(broker).log)


def known(three: Three, broker: int) -> DirectoryId:
    """The directory that the controller believes it to be in."""
    return three.registration.directory(NodeId(broker))


async def all_known(three: Three) -> None:
    await three.until(lambda: all(known(three, each) == where(three, each).directory_id for each in BROKERS))


def replace_disk(three: Three, broker: int, path: str) -> None:
    """The process is killed, and comes back with an empty disk instead of that one."""
    three.nodes.crash(broker)
    three.nodes.nodes[broker].disk.remove_tree(path)
    three.nodes.launch(broker)


def on_two_disks(main: Callable[[Three], Awaitable[None]]) -> None:
    play(main, DISKS)


def test_the_controller_hears_which_disk_a_broker_chose() -> None:
    async def main(three: Three) -> None:
        await all_known(three)
        assert UNASSIGNED_DIR not in three.registration.directories

    on_two_disks(main)


def test_a_replica_whose_disk_was_replaced_may_lead_once_it_has_caught_up() -> None:
    async def main(three: Three) -> None:
        await all_known(three)
        await three.write("a", "b")
        before = known(three, 2)
        replace_disk(three, 2, where(three, 2).path)
        await three.nodes.ready(2)
        await three.whole("a", "b")
        await all_known(three)
        assert known(three, 2) != before
        await three.gone(3, 1)
        await three.until(lambda: three.registration.leader == 2)
        assert three.values(2) == ["a", "b"]

    on_two_disks(main)


def test_a_replica_whose_disk_was_replaced_does_not_lead_with_nothing_although_it_led_last() -> None:
    async def main(three: Three) -> None:
        await all_known(three)
        await three.write("a", "b")
        await three.gone(2, 3)
        assert three.registration.leader == 1
        replace_disk(three, 1, where(three, 1).path)
        await three.nodes.ready(1)
        await three.until(lambda: known(three, 1) == where(three, 1).directory_id)
        await asyncio.sleep(60)
        assert (three.registration.leader, three.values(1)) == (NO_LEADER, [])
        three.nodes.launch(3)
        three.nodes.launch(2)
        await three.whole("a", "b")

    on_two_disks(main)


def test_a_failed_disk_gives_up_what_it_led() -> None:
    async def main(three: Three) -> None:
        await all_known(three)
        leader = three.registration.leader
        three.nodes.nodes[leader].disk.fail(errno.EIO, pattern=f"{where(three, leader).path}/*")
        await three.write("a", "b")  # to the next one
        assert three.registration.leader not in (leader, NO_LEADER)
        assert leader not in three.registration.isr
        others = [each for each in BROKERS if each != leader]
        await three.until(lambda: [three.values(each) for each in others] == [["a", "b"]] * 2)

    on_two_disks(main)
