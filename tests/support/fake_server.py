"""A process that is started and stopped as a server is, and answers ApiVersions; for tests of who starts processes.

`python -m tests.support.fake_server PORT [die|deaf]`: `die` says why and ends with 1, `deaf` leaves SIGTERM unheard.
"""

import signal
import socket
import struct
import sys

ANSWER = struct.pack(">iihi", 10, 0, 0, 0)


def main() -> int:
    port, manner = int(sys.argv[1]), "".join(sys.argv[2:])
    if manner == "die":
        sys.stderr.write("This server has no reason to live.\n")
        return 1
    signal.signal(signal.SIGTERM, signal.SIG_IGN if manner == "deaf" else lambda *_: sys.exit(0))
    with socket.create_server(("127.0.0.1", port)) as listening:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            with connection:
                if connection.recv(14):
                    connection.sendall(ANSWER)


if __name__ == "__main__":
    sys.exit(main())
