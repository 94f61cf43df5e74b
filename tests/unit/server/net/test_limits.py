"""A connection and all connections of a node keep their limits, whatever a peer does."""

import asyncio
import logging
from struct import pack

import pytest

from server.net import limits
from server.net.answers import Answer
from server.net.limits import READ_MAX_BYTES, READ_MIN_BYTES
from tests.unit.server.net.wires import World, frame, run, turn


def test_a_large_frame_grows_the_buffer_as_it_comes_and_the_buffer_shrinks_when_no_more_come() -> None:
    async def main() -> None:
        world = World(connections_max_idle_ms=8_000)
        wire = world.connect()
        body = b"z" * 3_000_000
        wire.send(frame(body)[:100_000], 10_000)
        assert len(wire.protocol.get_buffer(-1)) < 200_000, "a length field alone takes no memory"
        wire.send(frame(body)[100_000:], 10_000)
        assert wire.sent == body.upper() + b";"
        await asyncio.sleep(2.5)
        assert len(wire.protocol.get_buffer(-1)) == READ_MIN_BYTES

    run(main)


def test_a_busy_connection_reads_more_at_a_time() -> None:
    async def main() -> None:
        wire = World().connect()
        wire.send(frame(b"x" * 1000) * 2_000)
        assert len(wire.protocol.get_buffer(-1)) > READ_MAX_BYTES // 2
        assert wire.sent == (b"X" * 1000 + b";") * 2_000

    run(main)


@pytest.mark.parametrize("size", [-1, 101, 2**31 - 1, -(2**31)])
def test_a_frame_of_an_impossible_size_ends_this_connection_and_no_other(
    size: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        world = World(socket_request_max_bytes=100)
        bad, good = world.connect(), world.connect("10.0.0.2")
        bad.send(frame(b"a") + pack(">i", size) + b"garbage" * 9)
        assert (bad.sent, bad.closed) == (b"A;", True)
        bad.send(frame(b"b"))
        good.send(frame(b"c" * 100))
        assert good.sent == b"C" * 100 + b";"

    with caplog.at_level(logging.WARNING):
        run(main)
    (line,) = caplog.messages
    assert f"a frame of {size} bytes" in line


def test_a_flood_of_bad_peers_is_no_flood_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = World()
        for _ in range(100):
            world.connect().send(pack(">i", -1))
        await asyncio.sleep(1.5)
        world.connect().send(pack(">i", -1))

    with caplog.at_level(logging.WARNING):
        run(main)
    assert len(caplog.messages) == limits.COMPLAINTS_PER_SECOND + 2
    assert caplog.messages[-2] == "and 95 more such lines"


def test_a_peer_that_does_not_read_is_not_served() -> None:
    async def main() -> None:
        world = World()
        wire = world.connect()
        wire.protocol.pause_writing()
        wire.send(frame(b"x" * 1000) * 100)
        assert (world.events, wire.reading) == ([], False)
        assert len(wire.unread) >= 100 * 1004 - READ_MIN_BYTES
        wire.protocol.resume_writing()
        assert wire.reading
        wire.send(wire.unread)
        assert wire.sent == (b"X" * 1000 + b";") * 100

    run(main)


def test_answers_are_sent_before_more_than_the_limit_is_held() -> None:
    async def main() -> None:
        world = World()
        world.answers["big"] = lambda: [bytes(limits.UNSENT_HIGH_BYTES + 1)]
        wire = world.connect()
        wire.send(frame(b"big") * 3)
        assert list(map(len, wire.writes)) == [limits.UNSENT_HIGH_BYTES + 1] * 3

    run(main)


def test_serving_stops_in_the_middle_of_a_read_when_the_peer_stops_reading() -> None:
    async def main() -> None:
        world = World()
        wire = world.connect()

        def big() -> Answer:
            wire.protocol.pause_writing()  # what a transport does once its buffer is full
            return [bytes(limits.UNSENT_HIGH_BYTES + 1)]

        world.answers["big"] = big
        wire.send(frame(b"big") * 3)
        assert world.events.count("big") == 1
        wire.protocol.resume_writing()
        assert world.events.count("big") == 2

    run(main)


def test_while_an_answer_is_awaited_no_more_than_a_buffer_is_read() -> None:
    async def main() -> None:
        world = World()
        world.answers["w"] = world.wait("w")
        wire = world.connect()
        wire.send(frame(b"w"))
        wire.send(frame(b"x" * 1000) * 1000)
        assert not wire.reading
        assert len(wire.unread) >= 1000 * 1004 - READ_MAX_BYTES
        await turn()
        world.later["w"].set_result([b"W;"])
        await turn()
        assert wire.reading
        wire.send(wire.unread)
        assert wire.sent == b"W;" + (b"X" * 1000 + b";") * 1000

    run(main)


def test_a_silent_connection_is_closed_and_a_busy_one_is_not() -> None:
    async def main() -> None:
        world = World(connections_max_idle_ms=10_000)
        silent, half, busy, waiting = (world.connect(f"10.0.0.{n}") for n in range(4))
        world.answers["w"] = world.wait("w")
        half.send(frame(b"abc")[:5])
        waiting.send(frame(b"w"))
        for _ in range(13):
            busy.send(frame(b"x"))
            await asyncio.sleep(1)
        assert (silent.aborted, half.aborted, busy.aborted, waiting.aborted) == (True, True, False, False)
        assert len(world.registry) == 2

    run(main)


def test_a_connection_is_idle_for_no_less_than_it_may_be() -> None:
    async def main() -> None:
        world = World(connections_max_idle_ms=10_000)
        await asyncio.sleep(0.7)
        wire = world.connect()
        await asyncio.sleep(9.9)
        assert not wire.closed

    run(main)


def test_a_bad_peer_that_does_not_take_its_last_answers_is_dropped() -> None:
    async def main() -> None:
        world = World(connections_max_idle_ms=10_000)
        wire = world.connect()
        wire.send(frame(b"a") + pack(">i", -1))
        assert wire.closed
        assert not wire.aborted
        await asyncio.sleep(15)
        assert wire.aborted

    run(main)


def test_connections_have_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = World(max_connections=2)
        first, second, third = (world.connect(f"10.0.0.{n}") for n in range(3))
        assert (first.closed, second.closed, third.aborted) == (False, False, True)
        first.abort()
        assert not world.connect().closed

    with caplog.at_level(logging.WARNING):
        run(main)
    assert caplog.messages == ["refused a connection from 10.0.0.2: max.connections=2 reached"]


def test_connections_of_one_address_have_a_limit() -> None:
    async def main() -> None:
        world = World(max_connections_per_ip=1)
        first = world.connect("10.0.0.1")
        assert not first.closed
        assert world.connect("10.0.0.1").closed
        assert not world.connect("10.0.0.2").closed
        first.abort()
        assert not world.connect("10.0.0.1").closed

    run(main)


def test_large_frames_together_hold_no_more_than_the_limit_and_one_frame() -> None:
    """queued.max.request.bytes."""

    async def main() -> None:
        world = World(queued_max_request_bytes=1_000_000)
        body = b"y" * 900_000
        wires = [world.connect(f"10.0.0.{n}") for n in range(5)]
        for wire in wires:
            wire.send(frame(body)[:-1])
        assert [wire.reading for wire in wires] == [True, True, False, False, False]
        assert world.registry.held_bytes <= 1_000_000 + 900_004
        for wire in wires[:2]:
            wire.send(frame(body)[-1:])
        assert [len(wire.sent) for wire in wires[:2]] == [900_001, 900_001]
        assert [wire.reading for wire in wires] == [True] * 4 + [False], "as many go on as there is room for"

    run(main)


def test_memory_of_a_connection_that_left_is_given_back() -> None:
    async def main() -> None:
        world = World(queued_max_request_bytes=1_000_000)
        first, second = world.connect(), world.connect()
        first.send(frame(b"y" * 2_000_000)[:-1])
        second.send(frame(b"z" * 2_000_000)[:-1])
        assert not second.reading
        first.abort()
        assert second.reading
        second.send(second.unread + b"z")
        assert len(second.sent) == 2_000_001
        assert world.registry.held_bytes == 0

    run(main)


def test_closing_all_closes_all() -> None:
    async def main() -> None:
        world = World()
        wires = [world.connect() for _ in range(3)]
        world.registry.close_all()
        assert all(wire.aborted for wire in wires)
        assert len(world.registry) == 0

    run(main)
