"""The event loop of the pipeline: one thread, one selector, a link to each broker that is needed, fresh metadata.

Producers and fetchers own a Network, ask it for links, and let it `poll`: answers arrive through the callbacks of their
requests, within `poll` and nowhere else. Opening a link blocks (see link.py), so each is opened by a thread of its own
that does nothing else and hands the link over; everything else runs in the caller's thread.

Times are monotonic, in ms.
"""

import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from kcli.errors import Failure, Unreachable
from kcli.pipeline import messages
from kcli.pipeline.link import Link, open_link
from kcli.pipeline.settings import NetworkSettings
from kcli.pipeline.topology import Topology
from kcli.pipeline.wire import METADATA, Reader
from kcli.properties import Address, Connection

NO_BROKER = "Start one with 'kcli cluster up', or name yours with --bootstrap-server HOST:PORT."
SEED = -1  # the node id of the broker that the user named, until its own is known
FOREVER_MS = 3_600_000.0


class Network:
    """Links to brokers by node id. Use it as a context manager."""

    def __init__(
        self,
        connection: Connection,
        settings: NetworkSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._connection, self._clock = connection, clock
        self.settings = settings or NetworkSettings.of(connection.settings)
        self._rng, self.notice = rng or random.Random(), notice
        self.topology = Topology()
        self._selector = selectors.DefaultSelector()
        self._links: dict[int, Link] = {}
        self._opening: set[int] = set()
        self._retry_at: dict[int, float] = {}
        self._failures: dict[int, int] = {}
        self._arrived: deque[tuple[int, Address, Link | Failure]] = deque()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._seeds = 0
        self._watched: set[int] = set()
        self._asked: set[str] | None = set()  # the topics that metadata is wanted of; None: all
        self._create = False
        self._stale, self._asking = False, False
        self._next_metadata_ms = 0.0
        self._metadata_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for link in self._links.values():
            link.close()
        self._links.clear()
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def now_ms(self) -> float:
        return self._clock() * 1000

    # --- links

    def start(self) -> None:
        """Open the first link, to any of the brokers that the user named. Blocks. Raises Unreachable, Failure."""
        first: Failure | None = None
        for address in self._connection.bootstrap:
            try:
                self._adopt(SEED, open_link(address, self._connection.settings, self.settings.connect_ms / 1000))
                return
            except Unreachable as unreachable:
                first = first or unreachable
        assert first, "a connection names a broker at least"
        if len(self._connection.bootstrap) > 1:
            first = Unreachable(f"No broker answers at {self._connection.named}")
        first.advice = first.advice or NO_BROKER
        raise first

    def link(self, node: int) -> Link | None:
        """The link to a node. None: it is being opened, or waits for its next try."""
        found = self._links.get(node)
        if found is None:
            self._open(node)
        return found

    @property
    def unsent(self) -> bool:
        """Whether any link has something to send that its socket has not taken yet."""
        return any(link.unsent for link in self._links.values())

    def poll(self, timeout_ms: float) -> set[int]:
        """Send, wait at most `timeout_ms` for anything to happen, receive. Returns the watched files that are ready.

        Raises Failure for what no further try can mend: a password that is not accepted, an answer that is not Kafka's.
        """
        self._welcome()
        self._ask_metadata()
        self.flush()
        ready = set()
        for key, events in self._selector.select(self._patience(timeout_ms) / 1000 if timeout_ms > 0 else 0):
            if isinstance(key.data, Link):
                self._served(key.data, events)
            elif key.fd in self._watched:
                ready.add(key.fd)
            else:
                self._ear.recv(4096)
        self._welcome()
        self._expire()
        self._ask_metadata()
        self.flush()
        return ready

    def watch(self, file: int, *, hangup: bool = False) -> bool:
        """Let `poll` tell when a file is readable, or only when its other end is closed. False: it always is."""
        try:
            self._selector.register(file, 0 if hangup else selectors.EVENT_READ)
        except (PermissionError, ValueError):  # regular files cannot be waited for
            return False
        self._watched.add(file)
        return True

    def unwatch(self, file: int) -> None:
        if file in self._watched:
            self._watched.remove(file)
            self._selector.unregister(file)

    # --- metadata

    def want(self, topics: Iterable[str] | None, *, create: bool = False) -> None:
        """Choose whose metadata is kept fresh (None: all topics'), and whether asking may create a topic."""
        self._asked = None if topics is None else set(topics)
        self._create = create
        self._next_metadata_ms = 0.0
        self.refresh()

    def refresh(self) -> None:
        """Ask for metadata as soon as may be."""
        self._stale = True

    @property
    def metadata_at(self) -> float:
        """When the newest metadata came; -inf: never."""
        return self._metadata_at

    def _ask_metadata(self) -> None:
        now = self.now_ms()
        due = self._stale or now >= self._metadata_at + self.settings.metadata_age_ms
        if self._asking or not due or now < self._next_metadata_ms:
            return
        link = self.any_link()
        if link is None:
            return
        self._stale, self._asking = False, True
        self._next_metadata_ms = now + self.settings.retry_backoff_ms
        version, whole = link.version(METADATA), self._asked is None
        body = messages.metadata_request(version, self._asked, self._create)
        deadline = now + self.settings.request_timeout_ms

        def answered(answer: Reader | None) -> None:
            self._asking = False
            if answer is None:
                self._stale = True
                return
            told = messages.read_metadata(answer, version)
            self._metadata_at = self.now_ms()
            if not told.nodes:  # a broker that has just started does not know the cluster yet
                self._stale = True
                return
            self.topology.update(told, whole=whole)
            self._name_seed()

        link.request(METADATA, version, [body], deadline, answered)

    def any_link(self) -> Link | None:
        """A link to whatever broker is there; None: not yet."""
        links = [link for link in self._links.values() if not link.unsent] or list(self._links.values())
        if links:
            return min(links, key=lambda link: link.in_flight)
        if not self._opening:
            # Nobody is there: try the nodes that were known and the brokers that the user named, in turn.
            nodes = [*self.topology.nodes, SEED]
            self._open(nodes[self._seeds % len(nodes)])
        return None

    def _name_seed(self) -> None:
        """The link to the broker that the user named is also the link to the node that advertises that address."""
        seed = self._links.get(SEED)
        if seed is None:
            return
        for node, address in self.topology.nodes.items():
            if address == seed.address and node not in self._links:
                self._links[node] = self._links.pop(SEED)
                return

    # --- opening and losing

    def _open(self, node: int) -> None:
        now = self.now_ms()
        if node in self._opening or now < self._retry_at.get(node, 0):
            return
        address = self.topology.nodes.get(node)
        if address is None and node != SEED:
            return
        if address is None:
            bootstrap = self._connection.bootstrap
            address = bootstrap[self._seeds % len(bootstrap)]
        self._opening.add(node)
        threading.Thread(target=self._opened, args=(node, address), daemon=True).start()

    def _opened(self, node: int, address: Address) -> None:
        """Open a link; runs in a thread of its own."""
        found: Link | Failure
        try:
            found = open_link(address, self._connection.settings, self.settings.connect_ms / 1000)
        except Failure as failure:
            found = failure
        self._arrived.append((node, address, found))
        try:
            self._bell.send(b"!")
        except OSError:  # closed: nobody listens any more
            if isinstance(found, Link):
                found.close()

    def _welcome(self) -> None:
        while self._arrived:
            node, _, found = self._arrived.popleft()
            self._opening.discard(node)
            if isinstance(found, Link):
                self._failures.pop(node, None)
                self._retry_at.pop(node, None)
                if node in self._links:
                    found.close()
                else:
                    self._adopt(node, found)
            elif isinstance(found, Unreachable):
                self._seeds += 1
                failures = self._failures[node] = self._failures.get(node, 0) + 1
                limit = self.settings.reconnect_max_ms
                wait = min(limit, self.settings.reconnect_ms * 2 ** min(failures - 1, 30))
                self._retry_at[node] = self.now_ms() + wait * self._rng.uniform(0.8, 1.2)
                self._stale = True
                if failures == 1:
                    self.notice(f"{found.message}; trying again")
            else:
                raise found

    def _adopt(self, node: int, link: Link) -> None:
        self._links[node] = link
        self._selector.register(link, selectors.EVENT_READ, link)
        self._name_seed()

    def _served(self, link: Link, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                link.receive()
        except OSError:
            self._lose(link, f"Lost the connection to the broker at {link.named}; trying again")

    def flush(self) -> None:
        """Send what the sockets take now."""
        for link in list(self._links.values()):
            try:
                if link.unsent:
                    link.flush()
                    self._listen(link)
            except OSError:
                self._lose(link, f"Lost the connection to the broker at {link.named}; trying again")

    def _listen(self, link: Link) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.unsent else 0)
        if self._selector.get_key(link).events != events:
            self._selector.modify(link, events, link)

    def _expire(self) -> None:
        now = self.now_ms()
        for link in list(self._links.values()):
            deadline = link.next_deadline_ms
            if deadline is not None and now >= deadline:
                # What is late may still come: only a new connection is free of it.
                self._lose(link, f"The broker at {link.named} does not answer; trying again")

    def _lose(self, link: Link, what: str) -> None:
        node = next((node for node, found in self._links.items() if found is link), None)
        if node is None:
            return
        idle = not link.in_flight and not link.unsent
        del self._links[node]
        self._selector.unregister(link)
        self._stale = True
        self._retry_at[node] = self.now_ms() + self.settings.reconnect_ms
        if not idle:  # brokers close idle connections: nobody has to know
            self.notice(what)
        link.drop()

    def _patience(self, timeout_ms: float) -> float:
        """How long a select may sleep: until the first moment at which something is to be done."""
        now = self.now_ms()
        moments = [now + timeout_ms, self._metadata_at + self.settings.metadata_age_ms]
        moments += [link.next_deadline_ms for link in self._links.values() if link.next_deadline_ms is not None]
        moments += [at for at in self._retry_at.values() if at > now]
        if self._stale and self._links and not self._asking:
            moments.append(self._next_metadata_ms)
        later = [moment for moment in moments if moment > float("-inf")]
        return max(0.0, min(min(later) - now, FOREVER_MS))
