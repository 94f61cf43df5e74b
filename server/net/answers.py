"""What a service may answer to one frame: the seam between sockets and meaning.

A service is called with one frame and answers at once, later, or after what it has staged in this read is written:

    list of buffers   sent as they are, after all earlier answers
    None              there is nothing to send
    AfterWrite        its `settle` is called once the appends of this read are written; it gives the buffers, or a
                      Future of them: further frames are served meanwhile, and answers keep their order
    an awaitable      of buffers or None: no further frame of this connection is served until it is done

A service that raises Disconnect has its connection closed, with one line in the log.
"""

from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from server.ports import Buffer

T = TypeVar("T")
Bytes = list[Buffer]


class Disconnect(Exception):
    """This connection cannot go on; the text says why. Without one, nothing is wrong with the peer, nothing logged."""


class AfterWrite(Generic[T]):
    """An answer that would be a lie before the write. No abstract base class: asking for one's kind must be cheap."""

    __slots__ = ()

    def settle(self) -> T:
        raise NotImplementedError


Settled = Bytes | Future[Bytes]
Answer = Bytes | None | AfterWrite[Settled] | Awaitable[Bytes | None]
Service = Callable[[memoryview], Answer]


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. on_lost: called when the connection has ended, whoever ended it."""

    host: str
    port: int
    on_lost: list[Callable[[], None]] = field(default_factory=list, compare=False)
