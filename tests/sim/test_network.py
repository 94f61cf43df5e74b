"""The memory network keeps TCP's promises: a stream is whole and in order, or its connection ends."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from server import ports
from tests.sim.loop import Killed, Process, SimLoop, simulate, spawn
from tests.sim.network import MemoryNetwork
from tests.sim.transport import GIVE_UP_S, HIGH_WATER, WINDOW


class Reads(asyncio.Protocol):
    """Remembers what happened to it."""

    def __init__(self) -> None:
        self.got = b""
        self.events: list[str] = []
        self.lost = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.got += data

    def eof_received(self) -> bool | None:
        self.events.append("eof")
        return None

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append(type(exc).__name__ if exc else "lost")
        self.lost.set()


class Buffered(asyncio.BufferedProtocol):
    """Takes at most 7 bytes at a time."""

    def __init__(self) -> None:
        self.got, self._room = b"", bytearray(7)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self._room[:nbytes]

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def run(main: Callable[[MemoryNetwork], Coroutine[Any, Any, Any]], seed: int = 1) -> Any:
    rng = Random(seed)

    async def world() -> Any:
        return await main(MemoryNetwork(rng))

    return simulate(world(), rng)


async def connected(net: MemoryNetwork) -> tuple[Reads, Reads]:
    """A connection from host a to host b: (a's end, b's end)."""
    accepted: list[Reads] = []

    def make() -> Reads:
        accepted.append(Reads())
        return accepted[-1]

    await net.host("b").listen(make, "", 9092)
    ours = await net.host("a").dial(Reads, "b", 9092)
    await asyncio.sleep(0)
    return ours, accepted[0]


@pytest.mark.parametrize("seed", range(30))
def test_a_stream_arrives_whole_and_in_order_whatever_happens_to_its_link(seed: int) -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        sent = bytearray()
        for _ in range(60):
            match net.rng.randrange(8):
                case 0:
                    net.cut(*net.rng.sample(["a", "b"], 2))
                case 1:
                    net.mend()
                case 2:
                    theirs.transport.pause_reading()
                case 3:
                    theirs.transport.resume_reading()
                case 4:
                    await asyncio.sleep(net.rng.random())
                case _:
                    data = net.rng.randbytes(net.rng.choice([1, 10, 1000, 100_000]))
                    sent += data
                    ours.transport.writelines([data[:5], memoryview(data)[5:]])
            assert sent.startswith(theirs.got)
        net.mend()
        theirs.transport.resume_reading()
        ours.transport.close()
        await asyncio.gather(ours.lost.wait(), theirs.lost.wait())
        assert theirs.got == sent
        assert theirs.events == ["made", "eof", "lost"]
        assert ours.events[-1] == "lost"

    run(main, seed)


def test_a_buffered_protocol_is_filled_by_its_own_buffers() -> None:
    async def main(net: MemoryNetwork) -> None:
        network: ports.Network = net.host("b")
        accepted: list[Reads] = []

        def make() -> Reads:
            accepted.append(Reads())
            return accepted[-1]

        await network.listen(make, "", 9092)
        ours = await net.host("a").dial(Buffered, "b", 9092)
        await asyncio.sleep(0)
        accepted[0].transport.write(bytes(range(100)))
        await asyncio.sleep(1)
        assert ours.got == bytes(range(100))

    run(main)


def test_both_ends_know_each_others_address() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        assert ours.transport.get_extra_info("peername") == ("b", 9092)
        assert theirs.transport.get_extra_info("peername") == ours.transport.get_extra_info("sockname")
        assert theirs.transport.get_extra_info("peername")[0] == "a"

    run(main)


def test_a_paused_reader_fills_the_window_then_the_writer_which_is_paused_and_resumed() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        theirs.transport.pause_reading()
        ours.transport.write(bytes(WINDOW))
        await asyncio.sleep(1)
        assert (ours.transport.get_write_buffer_size(), ours.events) == (0, ["made"])
        ours.transport.write(bytes(HIGH_WATER))
        assert ours.events == ["made"]
        ours.transport.write(b"x")
        assert (ours.transport.get_write_buffer_size(), ours.events) == (HIGH_WATER + 1, ["made", "pause"])
        assert theirs.got == b""
        theirs.transport.resume_reading()
        await asyncio.sleep(1)
        assert (ours.transport.get_write_buffer_size(), ours.events) == (0, ["made", "pause", "resume"])
        assert len(theirs.got) == WINDOW + HIGH_WATER + 1
        ours.transport.set_write_buffer_limits(high=10)
        theirs.transport.pause_reading()
        ours.transport.write(bytes(WINDOW + 11))
        assert ours.events[-1] == "pause"

    run(main)


def test_close_sends_what_is_left_and_abort_does_not() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        ours.transport.write(bytes(3 * WINDOW))
        ours.transport.close()
        ours.transport.write(b"ignored")
        assert ours.transport.is_closing()
        await ours.lost.wait()
        await theirs.lost.wait()
        assert len(theirs.got) == 3 * WINDOW
        net.listening.clear()
        ours, theirs = await connected(net)
        theirs.transport.pause_reading()
        ours.transport.write(bytes(3 * WINDOW))
        ours.transport.abort()
        await theirs.lost.wait()
        assert (ours.events[-1], theirs.events[-1]) == ("lost", "ConnectionResetError")
        assert len(theirs.got) < 3 * WINDOW

    run(main)


def test_writing_to_an_end_that_closed_resets_the_connection() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        net.cut("a", "b")  # so that b does not hear of the end
        ours.transport.close()
        await asyncio.sleep(1)
        theirs.transport.write(b"x")
        net.mend()
        await theirs.lost.wait()
        assert theirs.events[-1] in ("ConnectionResetError", "lost")
        assert (ours.got, net.connections("a"), net.connections("b")) == (b"", 0, 0)

    run(main)


def test_a_dead_process_hears_nothing_and_its_peer_is_reset() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        ours.transport.write(b"too late")
        net.crash("b")
        theirs.transport.write(b"from the grave")
        await ours.lost.wait()
        assert (ours.events, theirs.events) == (["made", "ConnectionResetError"], ["made"])
        assert (ours.got, theirs.got) == (b"", b"")
        with pytest.raises(ConnectionRefusedError):
            await net.host("a").dial(Reads, "b", 9092)

    run(main)


def test_a_host_without_power_is_silent_until_it_is_back() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, _ = await connected(net)
        net.crash("b", power=True)
        await asyncio.sleep(1000)
        assert ours.events == ["made"]
        ours.transport.write(b"x")
        await asyncio.sleep(10)
        assert ours.events == ["made"]
        net.restore("b")
        await ours.lost.wait()
        assert ours.events == ["made", "ConnectionResetError"]

    run(main)


def test_a_cut_link_ends_in_a_time_out() -> None:
    async def main(net: MemoryNetwork) -> None:
        ours, theirs = await connected(net)
        net.cut("a", "*")
        theirs.transport.write(b"this way is open")
        ours.transport.write(b"x")
        await asyncio.sleep(GIVE_UP_S - 5)
        assert (ours.events, ours.got) == (["made"], b"this way is open")
        await ours.lost.wait()
        assert (ours.events[-1], theirs.got) == ("TimeoutError", b"")
        with pytest.raises(TimeoutError):
            await net.host("a").dial(Reads, "b", 9092)

    run(main)


def test_dialling_waits_for_a_link_to_mend() -> None:
    async def main(net: MemoryNetwork) -> None:
        await net.host("b").listen(Reads, "", 9092)
        net.cut("b", "a")
        asyncio.get_running_loop().call_later(5, net.mend)
        await net.host("a").dial(Reads, "b", 9092)
        assert 5 < asyncio.get_running_loop().time() < 10

    run(main)


def test_ports_are_taken_freed_and_found() -> None:
    async def main(net: MemoryNetwork) -> None:
        host = net.host("b")
        first = await host.listen(Reads, "localhost", 9092)
        with pytest.raises(OSError, match="in use"):
            await host.listen(Reads, "0.0.0.0", 9092)
        with pytest.raises(OSError, match="assign"):
            await host.listen(Reads, "elsewhere", 9093)
        free = await host.listen(Reads, "", 0)
        assert free.port not in (0, 9092)
        await host.dial(Reads, "localhost", free.port)
        first.close()
        await host.listen(Reads, "", 9092)

    run(main)


def test_half_a_close_lets_the_answer_through() -> None:
    class Answers(Reads):
        def eof_received(self) -> bool:
            self.transport.write(b"answer")
            self.transport.close()
            return True

    async def main(net: MemoryNetwork) -> None:
        await net.host("b").listen(Answers, "", 9092)
        ours = await net.host("a").dial(Reads, "b", 9092)
        ours.transport.write_eof()
        await ours.lost.wait()
        assert (ours.got, ours.events) == (b"answer", ["made", "eof", "lost"])

    run(main)


def test_a_protocol_that_fails_loses_its_connection_and_fails_the_run() -> None:
    class Fails(Reads):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def main(net: MemoryNetwork) -> None:
        await net.host("b").listen(Fails, "", 9092)
        ours = await net.host("a").dial(Reads, "b", 9092)
        ours.transport.write(b"x")
        await asyncio.sleep(1)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run(main)


def test_a_process_that_dies_inside_a_callback_takes_nobody_along() -> None:
    async def main(net: MemoryNetwork) -> None:
        process = Process("b")

        class Dies(Reads):
            def data_received(self, data: bytes) -> None:
                loop = asyncio.get_running_loop()
                assert isinstance(loop, SimLoop)
                loop.kill(process)
                net.crash("b")
                raise Killed

        async def serve() -> None:
            await net.host("b").listen(Dies, "", 9092)

        await spawn(process, serve)
        ours = await net.host("a").dial(Reads, "b", 9092)
        ours.transport.write(b"x")
        await ours.lost.wait()
        assert ours.events[-1] == "ConnectionResetError"

    run(main)


def _trace(seed: int) -> list[str]:
    lines: list[str] = []

    async def main(net: MemoryNetwork) -> None:
        net.trace = lines.append
        ours, theirs = await connected(net)
        for _ in range(20):
            ours.transport.write(bytes(net.rng.randrange(5000)))
            theirs.transport.write(b"x")
            await asyncio.sleep(0.01)

    run(main, seed)
    return lines


def test_a_seed_is_one_trace_and_seeds_differ() -> None:
    assert _trace(1) == _trace(1)
    assert _trace(1) != _trace(2)
