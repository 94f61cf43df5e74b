"""One connection: frames of all sizes in all pieces, strangers, TLS."""

import select
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kcli.errors import Failure, Unreachable
from kcli.pipeline.link import STAGING_BYTES, Link, open_link
from kcli.pipeline.network import Network
from kcli.pipeline.wire import FETCH, Malformed, Reader
from kcli.properties import Connection
from tests.support.log_broker import LogCluster
from tests.support.scripted import HANG_UP, SILENCE, ScriptedBroker
from tests.unit.kcli.pipeline.test_fetcher import T0
from tests.unit.kcli.pipeline.test_fetcher import Reader as Consumer
from tests.unit.kcli.pipeline.test_producer import VALUES, Sender

VERSION = 11  # not flexible


@contextmanager
def linked() -> Iterator[tuple[Link, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Link(ours, ("h", 1), "me", {FETCH: (4, 17)}), theirs


def frame(correlation: int, body: bytes) -> bytes:
    return struct.pack(">ii", len(body) + 4, correlation) + body


def asked(link: Link, count: int) -> list[bytes | None]:
    """Send `count` requests; their answers will be put into the list."""
    found: list[bytes | None] = []

    def answered(answer: Reader | None) -> None:
        found.append(None if answer is None else bytes(answer.data[answer.at :]))

    for _ in range(count):
        link.request(FETCH, VERSION, [b"body"], 1000, answered)
    link.flush()
    return found


@pytest.mark.parametrize("piece", [1, 3, 1000, 1 << 20])
def test_answers_come_in_any_pieces(piece: int) -> None:
    bodies = [b"", b"a", b"b" * 100, b"c" * STAGING_BYTES, b"", b"d" * (STAGING_BYTES // 2), b"e" * 200_000, b"f"]
    stream = b"".join(frame(number, body) for number, body in enumerate(bodies, 1))
    if piece < 1000:
        stream, bodies = stream[: 12 + 9 + 108], bodies[:3]
    with linked() as (link, broker):
        found = asked(link, len(bodies))
        broker.setblocking(False)
        while stream:
            with suppress(BlockingIOError):
                stream = stream[broker.send(stream[:piece]) :]
            link.receive()
        assert found == bodies


@pytest.mark.parametrize("piece", [7, 1000, 70_000])
def test_many_small_answers_come_in_any_pieces(piece: int) -> None:
    bodies = [bytes([number % 256]) * (number % 90) for number in range(3000)]
    stream = b"".join(frame(number, body) for number, body in enumerate(bodies, 1))
    with linked() as (link, broker):
        found = asked(link, len(bodies))
        for at in range(0, len(stream), piece):
            broker.sendall(stream[at : at + piece])
            link.receive()
        assert found == bodies


def test_requests_are_framed_and_numbered() -> None:
    with linked() as (link, broker):
        asked(link, 2)
        head = struct.pack(">hh", FETCH, VERSION)
        expected = b"".join(
            struct.pack(">i", 16) + head + struct.pack(">ih", number, 2) + b"me" + b"body" for number in (1, 2)
        )
        assert broker.recv(1000) == expected
        assert link.in_flight == 2


def test_what_the_socket_does_not_take_waits() -> None:
    with linked() as (link, broker):
        body = bytes(range(256)) * 20_000
        link.request(FETCH, VERSION, [body[:1000], body[1000:]], 1000, None)
        link.flush()
        assert link.unsent
        got = b""
        while link.unsent or select.select([broker], [], [], 0)[0]:
            got += broker.recv(1 << 20)
            link.flush()
        assert got.endswith(body)
        assert len(got) == len(body) + 16
        assert link.in_flight == 0  # it expects no answer


def test_a_dropped_link_tells_everybody_who_waits() -> None:
    with linked() as (link, _):
        found = asked(link, 2)
        link.drop()
        assert found == [None, None]


def test_the_end_of_the_connection_is_an_error() -> None:
    with linked() as (link, broker):
        asked(link, 1)
        broker.close()
        with pytest.raises(ConnectionError):
            link.receive()


@pytest.mark.parametrize("stream", [frame(99, b""), b"HTTP/1.1 400 Bad Request", struct.pack(">i", -1), bytes(4)])
def test_strangers_are_told(stream: bytes) -> None:
    with linked() as (link, broker):
        asked(link, 1)
        broker.sendall(stream)
        with pytest.raises(Malformed):
            link.receive()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SILENCE, "did not answer ApiVersions within 0.2 s"),
        (HANG_UP, "closed the connection during ApiVersions"),
        (b"HTTP/1.1 400 Bad Request", "does not speak Kafka's protocol"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "does not speak Kafka's protocol"),
    ],
)
def test_who_does_not_answer_as_a_broker_is_told(answer: object, words: str) -> None:
    with ScriptedBroker({"ApiVersions": answer}) as broker, pytest.raises(Failure, match=words) as failure:
        open_link(broker.address, {}, 0.2)
    assert isinstance(failure.value, Unreachable) or isinstance(answer, bytes)


def test_the_first_broker_that_answers_is_taken() -> None:
    with LogCluster({}) as gone:
        pass
    with LogCluster({"t": 1}) as cluster:
        both = (gone.nodes[0].address, cluster.nodes[0].address)
        with Network(Connection(both, {})) as network:
            network.start()
            network.want(None)
            while "t" not in network.topology.topics:
                network.poll(1000)


# --- TLS


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that nobody but these tests trusts."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *names], check=True, capture_output=True)
    return key, certificate


class TlsFront:
    """Takes TLS connections and passes what they say on to a plain port."""

    def __init__(self, behind: tuple[str, int], key: Path, certificate: Path) -> None:
        self._behind = behind
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._pass_on, args=(plain,), daemon=True))
            self._threads[-1].start()

    def _pass_on(self, plain: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(plain, server_side=True) as front,
                socket.create_connection(self._behind) as back,
            ):
                while True:
                    ready = [front] if front.pending() else select.select([front, back], [], [])[0]
                    for one, other in ((front, back), (back, front)):
                        if one in ready:
                            data = one.recv(50_000)
                            if not data:
                                return
                            other.sendall(data)
        except OSError:
            return  # the client hung up


def test_over_tls(identity: tuple[Path, Path]) -> None:
    settings = {"security.protocol": "SSL", "ssl.truststore.location": str(identity[1]), "ssl.truststore.type": "PEM"}
    with LogCluster({"t": 1}) as cluster:
        front = TlsFront(cluster.nodes[0].address, *identity)
        cluster.nodes[0].address, cluster.advertised = front.address, [front.address]
        large = [b"x" * 300_000] * 3
        try:
            made = Sender(cluster, settings)
            with made.network:
                made.producer.send_values("t", VALUES + large)
                made.producer.flush()
            consumer = Consumer(cluster, settings)
            with consumer.network:
                consumer.fetcher.assign({T0: 0})
                assert consumer.until(T0, 403) == VALUES + large
        finally:
            front.close()
    assert (made.delivered, made.failed) == (403, [])
