"""What befalls the replica world: deaths, cuts, fences; and ambushes for moments that are easy to get wrong."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from server.model.ids import NodeId
from tests.sim.replica_controller import NODES

if TYPE_CHECKING:
    from tests.sim.replica_parts import Replica
    from tests.sim.replica_world import World

Host = str | NodeId
Message = tuple[Host, Host, Callable[[], None]]


class Troubles:
    def __init__(self, world: "World") -> None:
        self._world = world

    def may_lose_power(self, replica: "Replica") -> bool:
        """A host may lose its page cache while another one in sync has all; no more is promised without syncing."""
        return bool(set(self._world.controller.registration.isr) - {replica.node})

    def strike(self, replica: "Replica") -> None:
        chance = self._world.rng.random()
        if chance < 0.3:
            self._world.tell(f"node {replica.node} is fenced")
            self._world.controller.fence(replica.node)
        elif chance < 0.55:
            if replica.partition is not None:
                self._world.crash(replica, power=self.may_lose_power(replica) and self._world.rng.random() < 0.6)
        elif chance < 0.65:
            replica.fuse = self._world.rng.choice([1, 2, 3, 5, 10])
        elif chance < 0.72:
            if replica.partition is not None:
                self._world.stop(replica)
        elif chance < 0.9:
            hosts: list[Host] = [*NODES, "controller"]
            pair = self._world.rng.sample(hosts, 2)
            self._world.tell(f"cut {pair[0]}->{pair[1]}")
            self._world.cut.add((pair[0], pair[1]))
        else:
            self._world.controller.elect_preferred()

    def ambush(self) -> None:
        """Something has just happened that is easy to get wrong: make the worst of it."""
        rng, now = self._world.rng, self._world.clock.now
        assert self._world.hot is not None
        replica, self._world.hot = self._world.replicas[self._world.hot], None
        chance = rng.random()
        if chance < 0.35:
            self.usurp()
        elif chance < 0.5:
            self._world.deaf[replica.node] = now + rng.randint(10, 100)
        elif chance < 0.65:
            self._world.lame[rng.choice(NODES)] = now + rng.randint(10, 200)
        elif chance < 0.75:
            self._world.tell(f"node {replica.node} is fenced")
            self._world.controller.fence(replica.node)
        elif replica.partition is not None:
            self._world.crash(replica, power=self.may_lose_power(replica) and rng.random() < 0.6)

    def usurp(self) -> None:
        """Of those who may be elected leave only the one that has least."""
        registration = self._world.controller.registration
        up = [self._world.replicas[node] for node in (*registration.isr, *registration.elr)]
        able = [each for each in up if each.partition is not None and each.seen >= each.epoch]
        if able:
            least = min(able, key=lambda each: each.partition.log.leo if each.partition else 0)
            self._world.tell(f"all but node {least.node} are fenced")
            for node in NODES:
                if node != least.node:
                    self._world.controller.fence(node)
            self._world.controller.unfence(least)
            self._world.tally.faults += 1

    def recover(self) -> None:
        """Something ends that is wrong."""
        replica = self._world.replicas[self._world.rng.choice(NODES)]
        if self._world.cut and self._world.rng.random() < 0.5:
            self._world.cut.clear()
        elif replica.partition is None:
            self._world.rise(replica)
        elif self._world.controller.registration.leader < 0 and self._world.rng.random() < 0.3:
            self._world.controller.recover()
        elif replica.seen >= replica.epoch:
            self._world.controller.unfence(replica)
