"""Context: what a handler may know about one request beside its message."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Client:
    """The other end of one connection, as far as it has introduced itself (KIP-511).

    on_lost  called when the connection has ended
    """

    host: str
    port: int
    listener: str
    principal: str = "User:ANONYMOUS"
    software_name: str = "unknown"
    software_version: str = "unknown"
    on_lost: list[Callable[[], None]] = field(default_factory=list, repr=False, compare=False)


@dataclass(slots=True)
class Context:
    """One request, or several alike. What a handler writes to `client`, later requests of its connection see.

    controller  whether the request came in by a listener of the controller
    advertised  api key -> (lowest, highest version) that this listener serves
    """

    api_version: int
    client_id: str | None
    client: Client
    controller: bool
    advertised: Mapping[int, tuple[int, int]]

    @property
    def listener(self) -> str:
        return self.client.listener

    @property
    def client_host(self) -> str:
        return self.client.host

    @property
    def principal(self) -> str:
        return self.client.principal
