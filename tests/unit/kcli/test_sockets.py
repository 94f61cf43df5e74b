"""Connections as the client's settings say: TLS, PLAIN and SCRAM, and what is refused."""

import base64
import hashlib
import hmac
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from kcli import sockets
from kcli.errors import Setup, Unreachable


def scripted(algorithm: str, nonce: str) -> sockets.Talk:
    return sockets.scram(algorithm, "user", "pencil", lambda: nonce)


def test_scram_keeps_to_the_standards_example() -> None:
    """RFC 7677, section 3"""
    talk = scripted("sha256", "rOprNGfwEbeRWgbNEkqO")
    assert next(talk) == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = talk.send(f"r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode())
    assert said == f"c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    with pytest.raises(StopIteration):
        talk.send(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    "answer",
    [
        "r=other,s=AAAA,i=4096",
        "r=mine,s=AAAA,i=4096",
        "r=mine-yours,s=AAAA",
        "r=mine-yours,s=AAAA,i=4095",
        "r=mine-yours,s=AAAA,i=99999999",
        "e=unknown-user",
    ],
)
def test_scram_does_not_go_on_with_a_strange_answer(answer: str) -> None:
    talk = scripted("sha512", "mine")
    next(talk)
    with pytest.raises(Setup, match="SCRAM"):
        talk.send(answer.encode())


def test_scram_does_not_trust_a_broker_that_does_not_know_the_password() -> None:
    talk = scripted("sha256", "mine")
    next(talk)
    talk.send(b"r=mine-yours,s=AAAA,i=4096")
    with pytest.raises(Setup, match="could not prove"):
        talk.send(b"v=" + base64.b64encode(bytes(32)))


def test_names_are_quoted() -> None:
    assert next(sockets.scram("sha256", "a=b,c", "", lambda: "x")) == b"n,,n=a=3Db=2Cc,r=x"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"security.protocol": "TLS"}, "security.protocol: TLS is not one of PLAINTEXT, SSL"),
        ({"security.protocol": "SASL_PLAINTEXT"}, "sasl.mechanism: GSSAPI is not supported"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}, "OAUTHBEARER is not supported"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}, "sasl.jaas.config does not name"),
        ({"security.protocol": "SSL", "ssl.truststore.type": "JKS"}, "ssl.truststore.type=JKS is not supported"),
        ({"security.protocol": "SSL", "ssl.keystore.type": "PKCS12"}, "ssl.keystore.type=PKCS12 is not supported"),
        ({"security.protocol": "SSL", "ssl.keystore.key": "x"}, "ssl.keystore.key is not supported"),
        ({"security.protocol": "SSL", "ssl.truststore.location": "/no"}, "Cannot use the TLS files /no: "),
    ],
)
def test_settings_that_do_not_hold_are_refused_before_connecting(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(Setup) as refused:
        sockets.connect(("localhost", 1), settings, 5)
    assert complaint in refused.value.message


@contextmanager
def broker(
    *answers: bytes, key: Path | None = None, certificate: Path | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A port that gives these frames, one for each frame that it gets; and what it got."""
    got: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            if key and certificate:
                context.load_cert_chain(certificate, key)
            with connection, context.wrap_socket(connection, server_side=True) if key else connection as spoken:
                for answer in answers:
                    (size,) = struct.unpack(">i", sockets.receive(spoken, 4))
                    got.append(sockets.receive(spoken, size))
                    spoken.sendall(struct.pack(">ii", len(answer) + 4, 0) + answer)
        except OSError:
            return  # the client hung up, which is what some of these tests are about

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], got
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def plain(password: str = "pencil") -> dict[str, str]:
    jaas = f"x.PlainLoginModule required username='user' password='{password}';"
    return {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.jaas.config": jaas}


WELCOME = struct.pack(">hih5s", 0, 1, 5, b"PLAIN")
DONE = struct.pack(">hhi", 0, -1, 0)


def test_plain_says_name_and_password() -> None:
    with broker(WELCOME, DONE) as (port, got):
        sockets.connect(("localhost", port), plain() | {"client.id": "me"}, 5).close()
    assert got == [
        struct.pack(">hhih2sh5s", 17, 1, 0, 2, b"me", 5, b"PLAIN"),
        struct.pack(">hhih2si", 36, 0, 0, 2, b"me", 12) + b"\0user\0pencil",
    ]


def test_a_password_that_is_refused_is_told_as_the_broker_tells_it() -> None:
    refusal = struct.pack(">hh5si", 58, 5, b"wrong", 0)
    with (
        broker(WELCOME, refusal) as (port, _),
        pytest.raises(Setup, match=r"Authentication at localhost:\d+ failed: wrong"),
    ):
        sockets.connect(("localhost", port), plain(), 5)


def test_a_mechanism_that_is_refused_is_told_with_those_that_are_not() -> None:
    refusal = struct.pack(">hih5sh4s", 33, 2, 5, b"SCRAM", 4, b"NULL")
    with broker(refusal) as (port, _), pytest.raises(Setup, match="does not take PLAIN: it knows SCRAM, NULL"):
        sockets.connect(("localhost", port), plain(), 5)


def test_a_broker_that_hangs_up_during_the_handshake_is_told() -> None:
    with broker(WELCOME) as (port, _), pytest.raises(Setup, match="broke the SASL handshake off"):
        sockets.connect(("localhost", port), plain(), 5)


def test_a_broker_that_is_silent_during_the_handshake_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(Unreachable, match="did not answer the SASL handshake in time"):
            sockets.connect(("localhost", port), plain(), 0.05)
        with pytest.raises(Unreachable, match="did not answer the TLS handshake in time"):
            sockets.connect(("localhost", port), {"security.protocol": "SSL"}, 0.05)


def test_scram_goes_both_ways() -> None:
    """The other side is written here from the RFC, with the standard library's own PBKDF2."""
    salt, rounds = b"salt", 4096
    salted = hashlib.pbkdf2_hmac("sha512", b"pencil", salt, rounds)
    seen: list[bytes] = []

    def server(first: bytes) -> bytes:
        bare = first.decode().removeprefix("n,,")
        answer = f"{bare.split('r=')[1]}-yours"
        seen.append(f"{bare},r={answer},s={base64.b64encode(salt).decode()},i={rounds},c=biws,r={answer}".encode())
        return f"r={answer},s={base64.b64encode(salt).decode()},i={rounds}".encode()

    talk = sockets.scram("sha512", "user", "pencil", lambda: "mine")
    said = talk.send(server(next(talk)))
    client_key = hmac.digest(salted, b"Client Key", "sha512")
    signature = hmac.digest(hashlib.sha512(client_key).digest(), seen[0], "sha512")
    proof = base64.b64decode(said.split(b"p=")[1])
    assert bytes(a ^ b for a, b in zip(proof, signature, strict=True)) == client_key
    verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha512"), seen[0], "sha512")
    with pytest.raises(StopIteration):
        talk.send(b"v=" + base64.b64encode(verifier))


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for localhost that nobody but these tests trusts."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


def test_tls_carries_sasl(identity: tuple[Path, Path]) -> None:
    key, certificate = identity
    settings = plain() | {"security.protocol": "SASL_SSL", "ssl.truststore.location": str(certificate)}
    with (
        broker(WELCOME, DONE, key=key, certificate=certificate) as (port, got),
        sockets.connect(("localhost", port), settings, 5) as opened,
    ):
        assert isinstance(opened, ssl.SSLSocket)
    assert len(got) == 2


def test_a_certificate_may_be_in_the_settings(identity: tuple[Path, Path]) -> None:
    key, certificate = identity
    settings = plain() | {"security.protocol": "SASL_SSL", "ssl.truststore.certificates": certificate.read_text()}
    with broker(WELCOME, DONE, key=key, certificate=certificate) as (port, _):
        sockets.connect(("localhost", port), settings, 5).close()


@pytest.mark.parametrize(
    ("host", "trust", "check", "fails"),
    [
        ("localhost", True, {}, False),
        ("127.0.0.1", True, {}, True),
        ("127.0.0.1", True, {"ssl.endpoint.identification.algorithm": ""}, False),
        ("localhost", False, {}, True),
        ("localhost", False, {"ssl.endpoint.identification.algorithm": ""}, True),
    ],
)
def test_a_broker_must_prove_its_name_by_somebody_trusted(
    host: str, trust: bool, check: Mapping[str, str], fails: bool, identity: tuple[Path, Path]
) -> None:
    key, certificate = identity
    settings = {"security.protocol": "SSL", **check} | ({"ssl.truststore.location": str(certificate)} if trust else {})
    with broker(b"", key=key, certificate=certificate) as (port, _):
        if fails:
            with pytest.raises(Setup, match=rf"TLS with {host}:\d+ failed: "):
                sockets.connect((host, port), settings, 5)
        else:
            sockets.connect((host, port), settings, 5).close()


def test_a_jaas_text_may_be_quoted_any_way() -> None:
    for text in ('username="user" password="pen\\"cil"', "password='pen\"cil' username=user"):
        settings = plain() | {"sasl.jaas.config": f"x required {text};"}
        with broker(WELCOME, DONE) as (port, got):
            sockets.connect(("localhost", port), settings, 5).close()
        assert got[1].endswith(b'\0user\0pen"cil')
