"""Ports: free, taken and by whom; brokers that answer, and what does not."""

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from kcli.cluster import network
from tests.support.waiting import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def saying(answer: bytes) -> int:
    """A port at which one caller is told `answer`."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening:
            connection, _ = listening.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listening.getsockname()[1]
    return port


def test_a_free_port_has_no_trouble() -> None:
    assert network.trouble("localhost", free_port()) is None


def test_a_port_in_use_is_told_with_its_process(taken: int) -> None:
    words = network.trouble("localhost", taken)
    assert words
    assert words.startswith(f"Port {taken} is in use by process {os.getpid()} ({sys.orig_argv[0]}")


def test_a_port_of_another_address_is_in_use_too() -> None:
    """Where one server listens at 0.0.0.0, another cannot listen at localhost."""
    with socket.create_server(("", 0)) as listening:
        assert network.trouble("127.0.0.1", listening.getsockname()[1])


def test_a_port_is_free_again_when_connections_to_it_linger(taken: int) -> None:
    with socket.create_connection(("127.0.0.1", taken)):
        pass
    assert network.any_free("localhost", frozenset()) != taken


def test_nobody_holds_a_free_port() -> None:
    assert network.holder(free_port()) is None


def test_a_broker_answers() -> None:
    assert network.answers("127.0.0.1", saying(b"\0\0\0\x0a" + bytes(10)))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\0\0\0\x0a" + b"\0\0\0\x01" + bytes(6),
        b"\0\0\0\x0a" + bytes(4) + b"\0\x23" + bytes(4),
        b"\x7f\0\0\0" + bytes(10),
    ],
    ids=["hangs up", "is no broker", "answers another", "refuses", "is too large"],
)
def test_what_is_not_ready_or_no_broker_does_not(answer: bytes) -> None:
    assert not network.answers("127.0.0.1", saying(answer))


def test_where_nobody_listens_nothing_answers(taken: int) -> None:
    port = free_port()
    assert not network.answers("127.0.0.1", port)
    assert not network.accepts("127.0.0.1", port)
    assert network.accepts("127.0.0.1", taken)
