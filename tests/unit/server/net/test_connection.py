"""One connection: frames in, answers out, in order. On a loop in virtual time, over a fake transport."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from server.net import limits
from server.net.answers import Answer, Disconnect, Peer, Settled
from server.net.connection import Connection
from tests.sim.loop import SimLoop
from tests.unit.server.net.wires import Later, Wire, World, frame, run, turn


def test_all_frames_of_a_read_are_served_and_answered_by_one_write() -> None:
    async def main() -> None:
        world = World()
        wire = world.connect()
        wire.send(frame(b"a") + frame(b"b") + frame(b"c"))
        assert world.events == ["a", "b", "c", "flush"]
        assert wire.writes == [b"A;B;C;"]

    run(main)


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 5, 7])
def test_frames_may_come_in_any_pieces(at_a_time: int) -> None:
    async def main() -> None:
        wire = World().connect()
        wire.send(frame(b"hello") + frame(b"") + frame(b"world"), at_a_time)
        assert wire.sent == b"HELLO;;WORLD;"

    run(main)


def test_an_answer_that_waits_for_the_write_is_made_after_it() -> None:
    async def main() -> None:
        world = World()

        def settle() -> Settled:
            world.events.append("settle")
            return [b"P;"]

        world.answers["p"] = lambda: Later(settle)
        wire = world.connect()
        wire.send(frame(b"p") + frame(b"p"))
        assert world.events == ["p", "p", "flush", "settle", "settle"]
        assert wire.writes == [b"P;P;"]

    run(main)


def test_a_request_that_is_awaited_holds_up_those_behind_it() -> None:
    async def main() -> None:
        world = World()
        world.answers["w"] = world.wait("w")
        wire = world.connect()
        wire.send(frame(b"a") + frame(b"w") + frame(b"b"))
        wire.send(frame(b"c"))
        await turn()
        assert (wire.sent, [e for e in world.events if e != "flush"]) == (b"A;", ["a", "w"])
        world.later["w"].set_result([b"W;"])
        await turn()
        assert wire.sent == b"A;W;B;C;"

    run(main)


def test_requests_that_wait_for_replication_do_not_hold_up_those_behind_them() -> None:
    async def main() -> None:
        world = World()
        for name in "pq":
            world.answers[name] = world.replicate(name)
        wire = world.connect()
        wire.send(frame(b"p") + frame(b"a"))
        wire.send(frame(b"q") + frame(b"b"))
        assert wire.sent == b""
        world.later["q"].set_result([b"Q;"])
        await turn()
        assert wire.sent == b"", "answers keep their order"
        world.later["p"].set_result([b"P;"])
        await turn()
        assert wire.sent == b"P;A;Q;B;"

    run(main)


def test_not_more_than_so_many_answers_wait_for_replication() -> None:
    async def main() -> None:
        world = World()
        world.answers["p"] = world.replicate("p")
        wire = world.connect()
        wire.send(frame(b"p") + frame(b"x") * (limits.PIPELINED_ANSWERS + 10))
        assert world.events.count("x") == limits.PIPELINED_ANSWERS - 1
        world.later["p"].set_result([b"P;"])
        await turn()
        assert wire.sent == b"P;" + b"X;" * (limits.PIPELINED_ANSWERS + 10)

    run(main)


def test_a_peer_with_much_to_ask_lets_others_have_their_turn() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World()

        def slowly() -> Answer:
            loop._jump.now_s += limits.TURN_SECONDS / 2
            return [b"S;"]

        world.answers["slow"] = slowly
        greedy, other = world.connect(), world.connect()
        greedy.send(frame(b"slow") * 5)
        assert greedy.sent == b"S;S;"
        other.send(frame(b"b"))
        assert other.sent == b"B;"
        greedy.send(frame(b"c"))
        assert greedy.sent == b"S;S;", "what comes in the meantime waits behind the rest"
        await turn()
        await turn()
        assert greedy.sent == b"S;S;S;S;S;C;"

    run(main)


def test_a_peer_that_leaves_before_its_next_turn_is_not_served() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        world = World()

        def slowly() -> Answer:
            loop._jump.now_s += limits.TURN_SECONDS
            return [b"S;"]

        world.answers["slow"] = slowly
        wire = world.connect()
        wire.send(frame(b"slow") * 3)
        wire.abort()
        await turn()
        assert world.events.count("slow") == 1

    run(main)


def test_a_service_may_hang_up_and_what_came_before_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = World()

        def refuse() -> Answer:
            raise Disconnect("api key 999 is not served")

        world.answers["bad"] = refuse
        wire = world.connect()
        wire.send(frame(b"a") + frame(b"bad") + frame(b"b"))
        assert (wire.sent, wire.closed) == (b"A;", True)

    with caplog.at_level(logging.WARNING):
        run(main)
    assert caplog.messages == ["closed the connection of 10.0.0.1: api key 999 is not served"]


def test_the_wait_of_a_peer_that_left_is_cancelled() -> None:
    async def main() -> None:
        world = World()
        world.answers["w"] = world.wait("w")
        wire = world.connect()
        wire.send(frame(b"w"))
        await turn()
        wire.abort()
        await turn()
        assert world.later["w"].cancelled()
        assert (len(world.registry), world.registry.held_bytes) == (0, 0)

    run(main)


def test_replication_that_comes_after_the_peer_left_is_ignored() -> None:
    async def main() -> None:
        world = World()
        world.answers["p"] = world.replicate("p")
        wire = world.connect()
        wire.send(frame(b"p"))
        wire.abort()
        world.later["p"].set_result([b"P;"])
        await turn()
        assert wire.sent == b""

    run(main)


def test_an_ipv4_address_is_the_same_by_a_dual_stack_socket() -> None:
    async def main() -> None:
        peers: list[Peer] = []
        world = World()

        def serve(peer: Peer) -> Callable[[memoryview], Answer]:
            peers.append(peer)
            return world.serve

        Wire(Connection(world.registry, serve, world.flush), "::ffff:10.1.2.3")
        assert peers == [Peer("10.1.2.3", 4711)]

    run(main)
