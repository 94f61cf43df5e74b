"""Open a connection to a broker as the client's settings say: plain or TLS, with or without SASL.

What comes back has said its SASL words already and carries Kafka requests at once. The messages of the SASL
conversation are written here by hand, in their oldest versions, because every client of this package needs them before
it has anything else. Settings have Kafka's names; stores are PEM files (JKS and PKCS12 are Java's own formats).
Source: KIP-152 (SaslHandshake v1, SaslAuthenticate), RFC 5802 and 7677 (SCRAM), RFC 4616 (PLAIN).
"""

import socket
import struct
from collections.abc import Callable, Generator, Mapping
from typing import Any

from kcli.errors import Setup, Unreachable
from kcli.properties import Address

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SCRAM = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MAX_SASL_ANSWER_BYTES = 512 * 1024
SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36


def connect(address: Address, settings: Mapping[str, str], timeout_s: float) -> socket.socket:
    """Open, encrypt and authenticate a connection; its time-out stays at `timeout_s`.

    raises  Unreachable: refused, unknown host, silent
            Setup: a setting that is wrong or not supported, a certificate or password that is not accepted
    """
    protocol = settings.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise Setup(f"security.protocol: {protocol} is not one of {', '.join(PROTOCOLS)}")
    talk = _conversation(settings) if protocol.startswith("SASL") else None
    encrypt = _encryption(settings) if protocol.endswith("SSL") else None
    opened = _open(address, timeout_s)
    try:
        if encrypt:
            opened = _encrypted(opened, encrypt, address)
        if talk:
            _authenticate(opened, settings, talk, address)
    except BaseException:
        opened.close()
        raise
    return opened


def _open(address: Address, timeout_s: float) -> socket.socket:
    host, port = address
    try:
        # As bytes: given text, getaddrinfo imports the IDNA codec, which takes longer than the connection.
        name = host.encode("ascii")
    except UnicodeEncodeError:
        name = host.encode("idna")
    last: OSError | None = None
    try:
        for family, kind, number, _, where in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
            opened = socket.socket(family, kind, number)
            opened.settimeout(timeout_s)
            try:
                opened.connect(where)
            except OSError as error:
                opened.close()
                last = error
                continue
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return opened
    except socket.gaierror as error:
        raise Unreachable(f"No broker answers at {host}:{port}: unknown host") from error
    raise Unreachable(f"No broker answers at {host}:{port}") from last


def _encryption(settings: Mapping[str, str]) -> Any:
    """Make the TLS context that the ssl.* settings describe."""
    import ssl  # most connections of a command line are plain, and this takes 5 ms

    for kind in ("ssl.truststore.type", "ssl.keystore.type"):
        if settings.get(kind, "PEM").upper() != "PEM":
            raise Setup(f"{kind}={settings[kind]} is not supported", f"Convert the store to PEM and set {kind}=PEM.")
    for key in ("ssl.keystore.key", "ssl.keystore.certificate.chain", "ssl.engine.factory.class", "ssl.provider"):
        if key in settings:
            raise Setup(f"{key} is not supported", "Put key and certificates into the file of ssl.keystore.location.")
    try:
        context = ssl.create_default_context(
            cafile=settings.get("ssl.truststore.location"), cadata=settings.get("ssl.truststore.certificates")
        )
        # Kafka's default is https; an empty text turns the check of the host name off.
        context.check_hostname = settings.get("ssl.endpoint.identification.algorithm", "https") != ""
        if "ssl.keystore.location" in settings:
            context.load_cert_chain(
                settings["ssl.keystore.location"], password=settings.get("ssl.key.password", lambda: "")
            )
    except OSError as error:  # an SSLError, too
        store = settings.get("ssl.truststore.location"), settings.get("ssl.keystore.location")
        raise Setup(f"Cannot use the TLS files {' and '.join(filter(None, store))}: {error}") from error
    return context


def _encrypted(opened: socket.socket, context: Any, address: Address) -> socket.socket:
    host, port = address
    try:
        wrapped: socket.socket = context.wrap_socket(opened, server_hostname=host)
    except TimeoutError as error:
        raise Unreachable(f"The broker at {host}:{port} did not answer the TLS handshake in time") from error
    except OSError as error:
        known = getattr(error, "verify_message", "") or getattr(error, "reason", "")
        reason = str(known).replace("_", " ").lower() if known else error.strerror or str(error)
        raise Setup(
            f"TLS with {host}:{port} failed: {reason}", "Check security.protocol and the ssl.* settings."
        ) from error
    return wrapped


def _authenticate(opened: socket.socket, settings: Mapping[str, str], talk: "Talk", address: Address) -> None:
    mechanism = settings["sasl.mechanism"]
    where = f"{address[0]}:{address[1]}"
    client_id = settings.get("client.id", "kcli")
    try:
        answer = _ask(opened, SASL_HANDSHAKE, 1, client_id, _text(mechanism))
        (code,) = struct.unpack_from(">h", answer)
        if code:
            raise Setup(f"The broker at {where} does not take {mechanism}: it knows {_mechanisms(answer)}")
        said = next(talk)
        while True:
            answer = _ask(opened, SASL_AUTHENTICATE, 0, client_id, struct.pack(">i", len(said)) + said)
            code, length = struct.unpack_from(">hh", answer)
            if code:
                why = answer[4 : 4 + length].decode(errors="replace") if length > 0 else "no reason given"
                raise Setup(f"Authentication at {where} failed: {why}")
            at = 4 + max(length, 0)
            (size,) = struct.unpack_from(">i", answer, at)
            said = talk.send(answer[at + 4 : at + 4 + size])
    except StopIteration:
        return
    except TimeoutError as error:
        raise Unreachable(f"The broker at {where} did not answer the SASL handshake in time") from error
    except (OSError, struct.error) as error:
        raise Setup(f"The broker at {where} broke the SASL handshake off", "Check security.protocol.") from error


Talk = Generator[bytes, bytes, None]


def _conversation(settings: Mapping[str, str]) -> Talk:
    """The client's side of the mechanism: yields what to say, is sent what was answered, ends when satisfied."""
    mechanism = settings.get("sasl.mechanism", "GSSAPI")
    if mechanism != "PLAIN" and mechanism not in SCRAM:
        raise Setup(f"sasl.mechanism: {mechanism} is not supported", f"Choose from PLAIN, {', '.join(SCRAM)}.")
    jaas = settings.get("sasl.jaas.config", "")
    found = _jaas(jaas)
    if "username" not in found or "password" not in found:
        raise Setup(
            "sasl.jaas.config does not name a username and a password",
            'Write e.g. sasl.jaas.config=...ScramLoginModule required username="ann" password="secret";',
        )
    user, password = found["username"], found["password"]
    return _plain(user, password) if mechanism == "PLAIN" else scram(SCRAM[mechanism], user, password, _nonce)


def _jaas(text: str) -> dict[str, str]:
    import re

    quoted = re.findall(r"""(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))""", text)
    return {key: re.sub(r"\\(.)", r"\1", double or single) or bare for key, double, single, bare in quoted}


def _plain(user: str, password: str) -> Talk:
    yield f"\0{user}\0{password}".encode()


def _nonce() -> str:
    import secrets

    return secrets.token_urlsafe(24)


def scram(algorithm: str, user: str, password: str, nonce: Callable[[], str]) -> Talk:
    """RFC 5802, without channel binding, and with the check that the server knows the password, too."""
    import base64
    import hashlib
    import hmac

    def mac(key: bytes, text: str) -> bytes:
        return hmac.digest(key, text.encode(), algorithm)

    mine = nonce()
    first = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={mine}"
    server_first = (yield f"n,,{first}".encode()).decode()
    told = dict(part.split("=", 1) for part in server_first.split(",") if "=" in part)
    if not {"r", "s", "i"} <= told.keys() or not told["r"].startswith(mine) or told["r"] == mine:
        raise Setup("The broker's SCRAM answer is not for this conversation")
    rounds = int(told["i"])
    if not 4096 <= rounds <= 1_000_000:  # below: the standard's floor; above: a server that wants to keep us busy
        raise Setup(f"The broker's SCRAM answer asks for {rounds} iterations")
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), base64.b64decode(told["s"]), rounds)
    without_proof = f"c=biws,r={told['r']}"
    signed = f"{first},{server_first},{without_proof}"
    client_key = mac(salted, "Client Key")
    signature = mac(hashlib.new(algorithm, client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    server_final = yield f"{without_proof},p={base64.b64encode(proof).decode()}".encode()
    expected = b"v=" + base64.b64encode(mac(mac(salted, "Server Key"), signed))
    if not hmac.compare_digest(server_final, expected):
        raise Setup("The broker could not prove that it knows the password, so it is not trusted")


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def _mechanisms(answer: bytes) -> str:
    (count,) = struct.unpack_from(">i", answer, 2)
    found, at = [], 6
    for _ in range(min(count, 32)):
        (length,) = struct.unpack_from(">h", answer, at)
        found.append(answer[at + 2 : at + 2 + length].decode(errors="replace"))
        at += 2 + length
    return ", ".join(found) or "none"


def _ask(opened: socket.socket, key: int, version: int, client_id: str, body: bytes) -> bytes:
    """Send one request with header version 1 and return the answer's body."""
    request = struct.pack(">hhi", key, version, 0) + _text(client_id) + body
    opened.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", receive(opened, 4))
    if not 4 <= size <= MAX_SASL_ANSWER_BYTES:
        raise ConnectionError(f"an answer of {size} bytes")
    return receive(opened, size)[4:]


def receive(opened: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes. Raises ConnectionError at an early end."""
    parts = bytearray()
    while len(parts) < size:
        part = opened.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ConnectionError("the connection was closed")
        parts += part
    return bytes(parts)
