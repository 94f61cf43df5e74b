"""Cuts: a Network that cannot reach certain addresses, as if a cable were out. For `kcli cluster partition`.

Nodes reach one another by dialing: who knows on both sides of a partition whom it does not reach is cut off both ways,
on any machine and without privileges. Clients are not touched.

While an address is cut, nothing is refused and nothing breaks, there is only silence: a dial waits as long as its
caller does; a connection that stands takes what is written to it and delivers none of it, and hears nothing. When it is
healed, all of that goes on, as TCP goes on when the cable is in again.

The addresses are lines `host:port` of a file that somebody else writes; it is looked at every INTERVAL_S.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from server.ports import Listening, Network

INTERVAL_S = 0.1
MAX_HELD_BYTES = 64 << 20  # then a connection ends: TCP, too, gives up at some time

P = TypeVar("P", bound=asyncio.BaseProtocol)
Address = tuple[str, int]

log = logging.getLogger(__name__)


class Cuts:
    """The Network port, around another.

    read  the file's text
    """

    def __init__(self, network: Network, read: Callable[[], str]) -> None:
        self._network, self._read = network, read
        self.cut: frozenset[Address] = frozenset()
        self._changed = asyncio.Event()
        self.wires: set[_Wire] = set()

    async def listen(self, make: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listening:
        return await self._network.listen(make, host, port)

    async def dial(self, make: Callable[[], P], host: str, port: int) -> P:
        """Waits while the address is cut: for ever, if the caller does. Raises OSError."""
        while (host, port) in self.cut:
            await self._changed.wait()

        def wired() -> asyncio.BaseProtocol:
            inner = make()
            kind = _BufferedEnds if isinstance(inner, asyncio.BufferedProtocol) else _StreamEnds
            return kind(inner, (host, port), self.wires)

        ends = await self._network.dial(wired, host, port)
        wire = cast(_Ends, ends).wire
        wire.hold(wire.address in self.cut)  # it may have been cut while it was being made
        return cast(P, cast(_Ends, ends).inner)

    async def watch(self) -> None:
        """Follow the file, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL_S)

    def look(self) -> None:
        """Do what the file says now."""
        cut = frozenset(_address(line) for line in self._read().split())
        if cut == self.cut:
            return
        log.warning("Cut off from %s", ", ".join(f"{h}:{p}" for h, p in sorted(cut)) or "nobody any more")
        self.cut = cut
        self._changed.set()
        self._changed = asyncio.Event()
        for wire in list(self.wires):
            wire.hold(wire.address in cut)


class _Wire(asyncio.Transport):
    """A connection's transport, as its protocol sees it."""

    def __init__(self, transport: asyncio.Transport, address: Address) -> None:
        super().__init__()
        self.address = address
        self._transport, self._held = transport, bytearray()
        self._silent = False

    def hold(self, silent: bool) -> None:
        if silent == self._silent:
            return
        self._silent = silent
        if self._transport.is_closing():
            return
        if silent:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
            held, self._held = self._held, bytearray()
            if held:
                self._transport.write(held)

    def write(self, data: Any) -> None:
        if not self._silent:
            self._transport.write(data)
        elif len(self._held) + len(data) > MAX_HELD_BYTES:
            self._transport.abort()
        else:
            self._held += data

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)


class _Ends(asyncio.BaseProtocol):
    """Stands between a transport and the protocol that was dialed for."""

    wire: _Wire

    def __init__(self, inner: Any, address: Address, wires: set[_Wire]) -> None:
        self.inner, self._address, self._wires = inner, address, wires

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = _Wire(cast(asyncio.Transport, transport), self._address)
        self._wires.add(self.wire)
        self.inner.connection_made(self.wire)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wires.discard(self.wire)
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def eof_received(self) -> bool | None:
        return cast("bool | None", self.inner.eof_received())


class _StreamEnds(_Ends, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.inner.data_received(data)


class _BufferedEnds(_Ends, asyncio.BufferedProtocol):
    """Not an asyncio.Protocol as well: that would be given copies."""

    def get_buffer(self, sizehint: int) -> memoryview:
        return cast(memoryview, self.inner.get_buffer(sizehint))

    def buffer_updated(self, nbytes: int) -> None:
        self.inner.buffer_updated(nbytes)


def _address(line: str) -> Address:
    host, _, port = line.rpartition(":")
    return host, int(port)
