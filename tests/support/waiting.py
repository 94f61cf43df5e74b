"""Wait for what other processes do, with a deadline, so that no test sleeps for a guess."""

import select
import socket
import struct
import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
STEP_S = 0.02
API_VERSIONS_V0 = struct.pack(">ihhih", 10, 18, 0, 7, -1)


def until(condition: Callable[[], T], seconds: float, what: str) -> T:
    """Ask until the answer is true, and return it. Raises TimeoutError that names `what`."""
    deadline = monotonic() + seconds
    never = threading.Event()
    while not (answer := condition()):
        if monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        never.wait(STEP_S)
    return answer


def answers(host: str, port: int, seconds: float = 2) -> bool:
    """Does a Kafka broker answer an ApiVersions request there?"""
    try:
        with socket.create_connection((host, port), seconds) as connection:
            connection.sendall(API_VERSIONS_V0)
            ready, _, _ = select.select([connection], [], [], seconds)
            return bool(ready) and len(connection.recv(8)) == 8
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
