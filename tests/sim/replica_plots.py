"""Plots against the replica world: schedules of many things that must meet, played from whatever a seed has come to.

Random trouble finds what takes two coincidences, and hardly ever what takes six. A plot arranges them: it brings the
replicas together first, then holds back one message, lets one replica forget, and has it elected. Each is legal: what
it does, a network, a power cut and a controller may do, so a cluster that keeps its word is none the worse for it.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tests.sim.inodes import Temper
from tests.sim.replica_controller import MAX_LAG_MS, NODES

if TYPE_CHECKING:
    from tests.sim.replica_clients import Writer
    from tests.sim.replica_parts import Replica
    from tests.sim.replica_troubles import Message
    from tests.sim.replica_world import World

CALM_ROUNDS = 40
TRIES = 30  # of a client, who draws whether it does anything
READS = 6
ONE_BATCH = 1  # max_bytes of a fetch
FIRST, SECOND, THIRD = NODES


class Cast(NamedTuple):
    """Who leads, and the two that follow."""

    leader: "Replica"
    one: "Replica"
    other: "Replica"


class Plots:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._all = (
            self._tail_below_min_isr,
            self._early_joiner,
            self._joins_unheard,
            self._dropped_unheard,
            self._fetch_of_a_former_life,
            self._proposal_of_a_former_life,
            self._proposal_comes_again,
            self._fetch_of_an_older_epoch,
            self._first_batch_cut_off,
        )

    def play(self) -> None:
        """One of them, if the replicas can be brought together for it."""
        plot = self._world.rng.choice(self._all)
        self._world.tell(f"plot {plot.__name__.strip('_')}")
        cast = self._calm()
        if cast is not None:
            plot(cast)
        self._world.tell("the plot ends")
        self._world.tally.faults += cast is not None

    # -- the plots

    def _tail_below_min_isr(self, cast: Cast) -> None:
        """Records that one in sync alone has are read nowhere: who left the ISR last is elected without them."""
        self._write(cast.leader)
        self._fence(cast.other, cast.one)
        self._hear(cast.leader)
        self._read()
        self._unfence(cast.one)
        self._fence(cast.leader)
        self._hear(cast.one)

    def _early_joiner(self, cast: Cast) -> None:
        """A new leader knows less of what is committed than the one before: who has that much may lack the rest."""
        leader, heir, joiner = cast
        self._write(leader)
        self._fetch(heir)
        self._fetch(heir)  # tells that it has the records, and is told of no more than the joiner has
        self._fence(joiner)
        self._hear(leader)  # and acknowledges
        self._unfence(joiner)
        self._fence(leader)
        self._hear(heir, joiner)
        self._carry(self._fetch(joiner, answered=False))
        self._elect(joiner)

    def _joins_unheard(self, cast: Cast) -> None:
        """The ISR has grown, and the leader that proposed it has not heard that it has."""
        leader, joiner, other = cast
        for row in self._all_but(joiner, leader, other):
            self._sent(row[2])
        self._write(leader)
        self._fetch(other)
        self._fetch(other)
        self._elect(joiner)

    def _dropped_unheard(self, cast: Cast) -> None:
        """A replica lags, and the controller does not hear that it is to leave the ISR."""
        leader, laggard, other = cast
        self._world.clock.now += 2 * MAX_LAG_MS
        self._write(leader)
        self._fetch(other)
        self._fetch(other)
        assert leader.partition is not None
        late = self._sent(partial(leader.partition.tick, self._world.clock.now))
        self._fetch(other)
        self._elect(laggard)
        self._carry(late)

    def _fetch_of_a_former_life(self, cast: Cast) -> None:
        """A fetch from before a power cut says what its sender had then."""
        leader, reborn, other = cast
        self._fence(other)
        self._hear(leader)
        self._write(leader)
        self._fetch(reborn)
        late = self._sent(lambda: self._world.fetch(reborn))
        self._lose_power(reborn)
        self._hear(leader)
        self._rise(reborn)
        self._hear(leader)
        for _ in range(CALM_ROUNDS):
            if leader.partition is None or reborn.partition is None or reborn.partition.leo >= leader.partition.hw:
                break
            self._carry(self._fetch(reborn, max_bytes=ONE_BATCH))
        self._carry(self._fetch(reborn, answered=False))  # it joins, and gets no more
        self._carry(late)
        self._elect(reborn)

    def _proposal_of_a_former_life(self, cast: Cast) -> None:
        """The ISR is to grow by a replica that has lost power since."""
        leader, reborn, other = cast
        late = self._all_but(reborn, leader, other)
        self._lose_power(reborn)
        self._rise(reborn)
        self._carry(late)
        self._elect(reborn)

    def _proposal_comes_again(self, cast: Cast) -> None:
        """The ISR was to grow, has grown and has shrunk again, when the network repeats the proposal."""
        leader, joiner, other = cast
        late = self._all_but(joiner, leader, other)
        self._carry(list(late))
        self._fence(joiner)
        self._hear(leader)
        self._unfence(joiner)
        self._write(leader)
        self._fetch(other)
        self._fetch(other)
        self._carry(late)
        self._elect(joiner)

    def _fetch_of_an_older_epoch(self, cast: Cast) -> None:
        """Its sender has cut its log off since, for a leader of which the present one has never heard."""
        world = self._world
        leader, usurper, cutter = (world.replicas[node] for node in (SECOND, FIRST, THIRD))
        if cast.leader is usurper:
            self._fence(usurper)
            again = self._calm()
            if again is None or again.leader is not leader:
                return
        if world.controller.registration.leader != leader.node:
            return
        self._write(leader)
        self._fetch(cutter)
        late = self._sent(lambda: world.fetch(cutter))
        world.controller.elect_preferred()
        self._hear(usurper, cutter)
        self._fetch(cutter)
        self._fence(usurper)
        self._hear(leader)
        self._carry(late)
        self._read()
        self._elect(cutter)

    def _first_batch_cut_off(self, cast: Cast) -> None:
        """A leader is deposed with a new producer's first batch, cuts it off, leads again and is sent it again."""
        leader, writer = cast.leader, self._world.rng.choice(self._world.writers)
        if not writer.renew():
            return
        self._write(leader, writer)
        self._fence(leader)
        self._hear(cast.one, cast.other)
        if self._calm(settle=False) is None:
            return
        self._elect(leader)
        if self._calm(settle=False) is None:
            return
        for each in (writer, *self._world.writers):
            self._write(leader, each)

    # -- what plots are made of

    def _calm(self, *, settle: bool = True) -> Cast | None:
        """Everybody is back, in sync and knows it; None if that takes too long. The followers come in any order.

        settle  producers have their answers
        """
        world = self._world
        world.cut.clear()
        for replica in world.replicas.values():
            replica.fuse = None
            if replica.partition is None:
                world.rise(replica)
        for _ in range(CALM_ROUNDS):
            for replica in world.replicas.values():
                self._hear(replica)
                world.controller.unfence(replica)
                self._carry(self._fetch(replica))
            world.controller.recover()
            for writer in world.writers if settle else ():
                self._carry(self._sent(partial(writer.act, may_begin=False)))
            if self._alike() and (not settle or all(writer.idle for writer in world.writers)):
                leader = world.replicas[world.controller.registration.leader]
                others = [each for each in world.replicas.values() if each is not leader]
                return Cast(leader, *world.rng.sample(others, 2))
        return None

    def _alike(self) -> bool:
        world = self._world
        registration = world.controller.registration
        known = {each.seen for each in world.replicas.values()} == {len(world.images) - 1}
        ends = {end for each in world.replicas.values() if each.partition for end in (each.partition.leo, each.hw_now)}
        return known and registration.leader >= 0 and len(registration.isr) == len(NODES) and len(ends) == 1

    def _all_but(self, joiner: "Replica", leader: "Replica", other: "Replica") -> "list[Message]":
        """Let the others commit what the joiner then gets as well; the proposal to take it in is not sent yet."""
        self._fence(joiner)
        self._hear(leader)
        self._unfence(joiner)
        self._hear(leader, joiner)
        self._write(leader)
        self._fetch(other)
        self._fetch(other)
        late = self._fetch(joiner)
        return late + self._fetch(joiner)

    def _hear(self, *replicas: "Replica") -> None:
        """The newest metadata reaches them; what is acknowledged for it reaches the clients."""
        for replica in replicas:
            if replica.partition is not None:
                self._carry(self._sent(partial(self._world.publish, replica, len(self._world.images) - 1)))

    def _fence(self, *replicas: "Replica") -> None:
        for replica in replicas:
            self._world.tell(f"node {replica.node} is fenced")
            self._world.controller.fence(replica.node)

    def _unfence(self, replica: "Replica") -> None:
        self._hear(replica)
        self._world.controller.unfence(replica)

    def _elect(self, chosen: "Replica") -> None:
        """Leave nobody else to be elected."""
        self._unfence(chosen)
        self._fence(*(self._world.replicas[node] for node in NODES if node != chosen.node))
        self._hear(chosen)
        self._read()

    def _lose_power(self, replica: "Replica") -> None:
        """With all that it has not synced."""
        self._world.crash(replica, power=True, temper=Temper.LOSE)

    def _rise(self, replica: "Replica") -> None:
        self._world.rise(replica)
        self._unfence(replica)
        self._hear(replica)

    def _fetch(self, replica: "Replica", *, answered: bool = True, max_bytes: int = 1_000) -> "list[Message]":
        """A fetch goes to the leader, and its answer comes back if it may; what the leader proposes is given."""
        proposals = []
        for row in self._sent(lambda: self._world.fetch(replica, max_bytes)):
            for came in self._sent(row[2]):
                if came[1] == "controller":
                    proposals.append(came)
                elif answered or came[1] != replica.node:
                    self._carry([came])
        return proposals

    def _write(self, leader: "Replica", writer: "Writer | None" = None) -> None:
        """Some producer gets a batch into the leader's log."""
        assert leader.partition is not None
        before = leader.partition.leo
        for _ in range(TRIES):
            each = writer or self._world.rng.choice(self._world.writers)
            self._carry([row for row in self._sent(each.act) if row[1] == leader.node])
            if leader.partition.leo > before:
                return

    def _read(self) -> None:
        for reader in self._world.readers * READS:
            self._carry(self._sent(reader.act))

    def _sent(self, act: Callable[[], object]) -> "list[Message]":
        """What `act` puts on the wire, taken off it."""
        at = len(self._world.wire)
        act()
        rows = self._world.wire[at:]
        del self._world.wire[at:]
        return rows

    def _carry(self, rows: "list[Message]") -> None:
        """Deliver these, and what they lead to."""
        while rows:
            row, *rows = rows
            rows += self._sent(row[2])
