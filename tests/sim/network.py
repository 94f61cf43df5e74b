"""A network in memory: TCP's promises and no others, seeded delays, links that can be cut, hosts that can die.

    net = MemoryNetwork(rng)
    a, b = net.host("a"), net.host("b")      # each is a server/ports.Network
    net.cut("a", "b")                        # what a sends, b does not get (one way); mend() or mend("a", "b") ends it
    net.crash("b")                           # the process died: its kernel resets all its connections
    net.crash("b", power=True)               # the host died: nothing is sent; a finds out when it sends, and b is back
    net.trace = print                        # each event as one line

Dialling a cut link waits and times out; dialling a port where nobody listens is refused. What a connection does is in
tests/sim/transport.py.
"""

import asyncio
import contextvars
import errno
from collections.abc import Callable
from random import Random
from typing import TypeVar

from tests.sim.transport import MemoryTransport, os_error

P = TypeVar("P", bound=asyncio.BaseProtocol)
HERE = {"", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"}
SYN_RETRY_S = (1, 2, 4, 8, 16, 32)
FIRST_EPHEMERAL_PORT = 32_768


class MemoryNetwork:
    def __init__(self, rng: Random, delay_s: tuple[float, float] = (0.000_05, 0.002)) -> None:
        self.rng, self.delay_range = rng, delay_s
        self.trace: Callable[[str], None] = lambda line: None
        self.listening: dict[tuple[str, int], Listener] = {}
        self._cut: set[tuple[str, str]] = set()
        self._down: set[str] = set()
        self._transports: list[MemoryTransport] = []
        self._next_port = FIRST_EPHEMERAL_PORT

    def host(self, name: str) -> "Host":
        return Host(self, name)

    def cut(self, source: str, target: str) -> None:
        """Let nothing from `source` reach `target`. "*" is every host."""
        self._cut.add((source, target))
        self.note(f"cut {source}->{target}")

    def mend(self, source: str | None = None, target: str | None = None) -> None:
        """Undo cuts; without names, all."""
        self._cut = {path for path in self._cut if source and path != (source, target)}
        self.note("mend")

    def is_cut(self, source: str, target: str) -> bool:
        paths = {(source, target), ("*", target), (source, "*")}
        return source != target and (bool(paths & self._cut) or bool({source, target} & self._down))

    def crash(self, name: str, *, power: bool = False) -> None:
        """End everything that `name` has open. None of its callbacks is called again."""
        self.note(f"crash {name}")
        self.listening = {at: listener for at, listener in self.listening.items() if at[0] != name}
        for transport in self._transports:
            if transport.source == name:
                transport.vanish(tell=not power)
        self._transports = [t for t in self._transports if t.source != name]
        if power:
            self._down.add(name)

    def restore(self, name: str) -> None:
        """The host is up again after a crash with `power`."""
        self._down.discard(name)

    def delay_s(self) -> float:
        low, high = self.delay_range
        return self.rng.uniform(low, high) * (20 if self.rng.random() < 0.01 else 1)

    def note(self, line: str) -> None:
        self.trace(f"{asyncio.get_running_loop().time():.6f} {line}")

    def free_port(self) -> int:
        self._next_port += 1
        return self._next_port

    def connections(self, name: str) -> int:
        """How many connections a host has open."""
        self._transports = [t for t in self._transports if not t.gone]
        return sum(t.source == name for t in self._transports)

    def join(self, ours: asyncio.BaseProtocol, source: str, listener: "Listener") -> None:
        theirs = listener.context.run(listener.make)
        address = (source, self.free_port())
        there = MemoryTransport(self, ours, contextvars.copy_context(), address, listener.address)
        back = MemoryTransport(self, theirs, listener.context.copy(), listener.address, address)
        there.peer, back.peer = back, there
        self._transports = [t for t in self._transports if not t.gone] + [there, back]
        back.soon(theirs.connection_made, back)
        there.call(ours.connection_made, there)


class Listener:
    def __init__(self, net: MemoryNetwork, make: Callable[[], asyncio.BaseProtocol], address: tuple[str, int]) -> None:
        self._net, self.make, self.address = net, make, address
        self.port = address[1]
        self.context = contextvars.copy_context()

    def close(self) -> None:
        self._net.listening.pop(self.address, None)


class Host:
    """One host's door to the network: server/ports.Network."""

    def __init__(self, net: MemoryNetwork, name: str) -> None:
        self._net, self.name = net, name

    async def listen(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listener:
        if host not in HERE | {self.name}:
            raise os_error(errno.EADDRNOTAVAIL)
        address = (self.name, port or self._net.free_port())
        if address in self._net.listening:
            raise os_error(errno.EADDRINUSE)
        listener = self._net.listening[address] = Listener(self._net, make, address)
        return listener

    async def dial(self, make: Callable[[], P], host: str, port: int) -> P:
        target = self.name if host in HERE else host
        await self._syn(target)
        listener = self._net.listening.get((target, port))
        if listener is None:
            raise os_error(errno.ECONNREFUSED)
        ours = make()
        self._net.join(ours, self.name, listener)
        return ours

    async def _syn(self, target: str) -> None:
        for retry_s in (*SYN_RETRY_S, None):
            await asyncio.sleep(self._net.delay_s())
            if not self._net.is_cut(self.name, target) and not self._net.is_cut(target, self.name):
                return
            if retry_s is None:
                raise os_error(errno.ETIMEDOUT)
            await asyncio.sleep(retry_s)
