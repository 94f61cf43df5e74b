"""Asking a cluster over the Kafka protocol: one blocking connection, the newest versions that both sides speak.

Any broker will do: in KRaft a broker passes on what is for the controller. Bootstrap servers are tried in order until
one answers; when a connection dies in the middle of a question, the question is asked again elsewhere, but a change
(create, delete, alter) is not: it may have been done. What only one broker knows is asked of that broker, at the
address that the others name for it.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kcli.client import values
from kcli.client.wire import Broken, Clock, Reader, Silence, Wire
from kcli.errors import Setup, Unreachable
from kcli.properties import Address, Connection

DEFAULT_REQUEST_TIMEOUT_MS, DEFAULT_CONNECT_TIMEOUT_MS = 30_000, 10_000
NO_BROKER = "Start one with 'kcli cluster up', or name yours with --bootstrap-server HOST:PORT."


class Asking:
    """One connection to a cluster, made at the first question."""

    def __init__(self, connection: Connection, clock: Clock = time.monotonic) -> None:
        self._connection, self._clock = connection, clock
        self._wire: Wire | None = None
        self._wires: dict[int, Wire] = {}  # to single brokers, by id
        self._places: dict[int, Address] | None = None  # where the brokers listen
        self._start = 0  # which of the addresses is tried first
        self._request_ms = _milliseconds(connection.settings, "request.timeout.ms", DEFAULT_REQUEST_TIMEOUT_MS)
        # As in Kafka's admin client: a call as a whole has twice the time of a request, unless it is said.
        self._call_ms = _milliseconds(connection.settings, "default.api.timeout.ms", 2 * self._request_ms)
        setup = _milliseconds(connection.settings, "socket.connection.setup.timeout.ms", DEFAULT_CONNECT_TIMEOUT_MS)
        self._connect_ms = min(setup, self._request_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_all()

    def _metadata(self, topics: Sequence[Mapping[str, Any]] | None) -> Any:
        answer = self._ask("Metadata", topics=topics, allow_auto_topic_creation=False)
        values.raise_if_refused(answer)
        return answer

    def _ask(self, name: str, reader: Reader | None = None, /, **fields: Any) -> Any:
        """Ask something that changes nothing: again elsewhere, or once more here if the connection broke."""
        deadline = self._clock() + self._call_ms / 1000
        tried, addresses = 0, len(self._connection.bootstrap)
        while True:
            try:
                return self._connected().call(name, fields, self._seconds(deadline), reader)
            except (Broken, Silence) as error:
                self._close()
                tried += 1
                self._start += 1
                if tried >= addresses + isinstance(error, Broken) or self._clock() >= deadline:
                    raise

    def _change(self, name: str, *, timed: bool = True, **fields: Any) -> Any:
        """Ask for a change, once."""
        if timed:
            fields["timeout_ms"] = self._request_ms
        return self._connected().call(name, fields, self._request_ms / 1000)

    def _ask_of(self, broker: int, name: str, /, **fields: Any) -> Any:
        """Ask one broker, once more if its connection broke. Raises Unreachable, also where nobody knows the broker."""
        deadline = self._clock() + self._call_ms / 1000
        for last in (False, True):
            try:
                return self._connected_to(broker, deadline).call(name, fields, self._seconds(deadline))
            except Broken:
                self._wires.pop(broker).close()
                if last:
                    raise
        raise AssertionError("the second attempt returns or raises")

    def _change_at(self, broker: int, name: str, /, **fields: Any) -> Any:
        """Ask one broker for a change, once."""
        deadline = self._clock() + self._request_ms / 1000
        return self._connected_to(broker, deadline).call(name, fields, self._seconds(deadline))

    def _version_at(self, broker: int, name: str) -> int:
        """The newest version of a request that one broker and we speak; -1 if there is none."""
        found = self._connected_to(broker, self._clock() + self._request_ms / 1000).version(name)
        return -1 if found is None else found

    def _connected_to(self, broker: int, deadline: float) -> Wire:
        if broker not in self._wires:
            place = self._place(broker)
            timeout = max(0.001, min(self._connect_ms / 1000, deadline - self._clock()))
            self._wires[broker] = Wire(place, self._connection.settings, timeout, self._seconds(deadline), self._clock)
        return self._wires[broker]

    def _place(self, broker: int) -> Address:
        """Where a broker listens. Raises Unreachable: nobody knows it."""
        if self._places is None or broker not in self._places:
            self._places = {row.node_id: (row.host, row.port) for row in self._metadata([]).brokers}
        if broker not in self._places:
            raise Unreachable(f"Broker {broker} is not in the cluster, or not alive")
        return self._places[broker]

    def _seconds(self, deadline: float) -> float:
        return max(0.001, min(self._request_ms / 1000, deadline - self._clock()))

    def _close(self) -> None:
        if self._wire:
            self._wire.close()
            self._wire = None

    def _close_all(self) -> None:
        self._close()
        while self._wires:
            self._wires.popitem()[1].close()

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = self._first()
        return self._wire

    def _first(self) -> Wire:
        """The first bootstrap server that answers, beginning with the one whose turn it is."""
        failures: list[Unreachable] = []
        deadline = self._clock() + self._call_ms / 1000
        turn = self._start % len(self._connection.bootstrap)
        for address in self._connection.bootstrap[turn:] + self._connection.bootstrap[:turn]:
            timeout = max(0.001, min(self._connect_ms / 1000, deadline - self._clock()))
            try:
                return Wire(address, self._connection.settings, timeout, self._seconds(deadline), self._clock)
            except Unreachable as error:
                failures.append(error)
        if len(failures) == 1:
            failures[0].advice = failures[0].advice or NO_BROKER
            raise failures[0]
        raise Unreachable(f"No broker answers at {self._connection.named}", NO_BROKER) from failures[-1]


def _milliseconds(settings: Mapping[str, str], name: str, default: int) -> int:
    text = settings.get(name)
    if text is None:
        return default
    if not text.strip().isdigit():
        raise Setup(f"Invalid value {text} for configuration {name}: Not a number of type INT")
    return int(text)
