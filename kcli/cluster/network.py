"""Ports of this machine: whether one is free, who has it, and whether a broker answers at it.

Source: KIP-35 (ApiVersions, which every broker answers first), proc(5) for who holds a port.
"""

import errno
import os
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

ANSWER_S = 1.0
# ApiVersions version 0, correlation id 0, no client id; the size comes first.
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 0, -1)
MAX_ANSWER_BYTES = 1 << 20
LISTEN = "0A"
FIRST_FREE_PORT, FIRST_OF_CONNECTIONS = 10_000, 32_768
TRIES = 100


class Holder(NamedTuple):
    pid: int
    command: str


def trouble(host: str, port: int) -> str | None:
    """Why a server could not listen at `port`; None if it could."""
    for family, kind, number, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            probe = socket.socket(family, kind, number)
        except OSError:
            continue  # a machine without IPv6 may name an address of it
        with probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    continue
                if error.errno != errno.EADDRINUSE:
                    return f"Port {port} cannot be used: {error.strerror}."
                found = holder(port)
                return f"Port {port} is in use" + (f" by process {found.pid} ({found.command})." if found else ".")
    return None


def any_free(host: str, avoid: frozenset[int]) -> int:
    """A port that is free now, none of `avoid`, and none that the system gives to connections: it has to stay free
    while nobody listens there, from now to the start of a server, and between its stop and its next start.
    """
    last = _first_of_connections() - 1
    for _ in range(TRIES if last > FIRST_FREE_PORT else 0):
        port = random.randint(FIRST_FREE_PORT, last)
        if port not in avoid and trouble(host, port) is None:
            return port
    while True:  # hardly any is left there
        with socket.create_server(("", 0)) as probe:
            port = int(probe.getsockname()[1])
        if port not in avoid and trouble(host, port) is None:
            return port


def _first_of_connections() -> int:
    """The first port that the system may give to a connection that somebody opens (ip(7))."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except OSError:
        return FIRST_OF_CONNECTIONS


def holder(port: int) -> Holder | None:
    """The process that listens at `port`, if it is one that we may look at."""
    sockets = {f"socket:[{inode}]" for path in ("/proc/net/tcp", "/proc/net/tcp6") for inode in _inodes(path, port)}
    if not sockets:
        return None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if not sockets.isdisjoint(_open_files(pid)):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    return Holder(int(pid), file.read().replace("\0", " ").strip())
            except FileNotFoundError:
                return None  # it ended meanwhile
    return None


def _open_files(pid: str) -> Iterator[str]:
    """What a process has open; nothing of one that ends, or that is somebody else's."""
    with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                yield os.readlink(f"/proc/{pid}/fd/{number}")


def _inodes(path: str, port: int) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
    except FileNotFoundError:
        return []
    return [row[9] for row in rows if row[3] == LISTEN and int(row[1].rpartition(":")[2], 16) == port]


def answers(host: str, port: int) -> bool:
    """Whether a broker (or controller) at this address answers ApiVersions."""
    try:
        with socket.create_connection((host, port), ANSWER_S) as opened:
            opened.sendall(API_VERSIONS)
            head = _receive(opened, 10)
            if head is None:
                return False
            size, correlation, code = map(int, struct.unpack(">iih", head))
            return 6 <= size <= MAX_ANSWER_BYTES and correlation == 0 and code == 0
    except OSError:
        return False


def accepts(host: str, port: int) -> bool:
    """Whether anything listens at this address: all that can be asked of one that wants TLS or a password."""
    try:
        with socket.create_connection((host, port), ANSWER_S):
            return True
    except OSError:
        return False


def _receive(opened: socket.socket, size: int) -> bytes | None:
    got = b""
    while len(got) < size:
        part = opened.recv(size - len(got))
        if not part:
            return None
        got += part
    return got
