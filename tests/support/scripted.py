"""A broker that says what a test tells it to: one thread, real sockets, the server's own codec.

`answers` maps an API's name to what it answers with: a message, a function of the request, or one of SILENCE, HANG_UP
and raw bytes in place of a frame. ApiVersions is answered by itself, with `versions` or all that the server knows.
"""

import socket
import struct
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from server.wire import api, frames
from server.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from server.wire.messages.index import APIS

SILENCE, HANG_UP = "silence", "hang up"
KEYS = {stem: key for key, (_, stem, *_rest) in APIS.items()}


class ScriptedBroker:
    def __init__(self, answers: Mapping[str, Any], versions: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._answers = {KEYS[name]: answer for name, answer in answers.items()}
        spoken = versions or {name: api.served_versions(KEYS[name]) for name in answers}
        self._versions = {KEYS[name]: range_ for name, range_ in spoken.items()}
        self.asked: list[tuple[str, int, Any]] = []  # name, version, message
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # shutdown, not close alone: it wakes the thread that waits for a connection
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for connection in self._open:
            connection.close()
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                while self._answered(connection):
                    pass
        except OSError:
            return  # the test ended, or the client hung up

    def _answered(self, connection: socket.socket) -> bool:
        size = connection.recv(4, socket.MSG_WAITALL)
        if len(size) < 4:
            return False
        frame = connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL)
        header, at = frames.decode_request_header(frame)
        key, version = header.api_key, header.version
        request = api.decode_request(key, version, frame, at)
        self.asked.append((APIS[key][1], version, request))
        answer = self._answer(key, request)
        if answer is HANG_UP:
            return False
        if answer is SILENCE:
            connection.recv(1)  # until the client gives up
            return False
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return True
        body = api.encode_response(key, version, answer)
        tags = b"\0" if api.header_versions(key, version)[1] else b""
        connection.sendall(struct.pack(">ii", len(body) + len(tags) + 4, header.correlation_id) + tags + body)
        return True

    def _answer(self, key: int, request: Any) -> Any:
        if key == api.API_VERSIONS and key not in self._answers:
            rows = [
                ApiVersion(api_key=k, min_version=low, max_version=high) for k, (low, high) in self._versions.items()
            ]
            return ApiVersionsResponse(api_keys=tuple(rows))
        answer = self._answers[key]
        return answer(request) if callable(answer) else answer
