"""Produce and fetch over raw sockets: requests a second, bytes a second, and what a request costs the broker.

    python -m tests.perf.bench_data_plane [--seconds 3] [--address host:port --topic t]

Without an address it starts the data plane alone, in a folder that is removed afterwards. The client is as cheap as
Python allows: it sends one prepared request over and over, so many in flight, and reads only the answers' sizes. CPU
time is the broker process's own, from /proc; CRC-32C on 1 MB is the calibration, since these machines drift.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import click

from server.records.batch import Record, crc32c
from server.records.build import build
from server.wire import api, frames
from server.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from server.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

SIZE = Struct(">i")
RECORD_BYTES = 1000
RECEIVE_BYTES = 1 << 20
PRODUCE_VERSION, FETCH_VERSION = 9, 12  # the last that name topics by name


class Cpu(NamedTuple):
    """Seconds that a process has spent."""

    user: float
    system: float


@dataclass(frozen=True)
class Result:
    requests: int
    seconds: float
    cpu: Cpu
    bytes: int

    def line(self, what: str) -> str:
        user, system = (spent / self.requests * 1e6 for spent in self.cpu)
        cost = f"broker CPU {user:6.1f} us + {system:6.1f} us in the kernel" if user else ""
        return (
            f"{what:<44}{self.requests / self.seconds:10,.0f} requests/s "
            f"{self.bytes / self.seconds / 1e6:8,.0f} MB/s {cost}"
        )


class Client:
    def __init__(self, host: str, port: int, pid: int | None) -> None:
        self._socket = socket.create_connection((host, port), 10)
        self._pid = pid
        self._buffer = bytearray(RECEIVE_BYTES)

    def close(self) -> None:
        self._socket.close()

    def drive(self, request: bytes, in_flight: int, seconds: float) -> Result:
        """Send `request` for so long. The bytes are those of the answers."""
        cpu, started = self._cpu(), time.perf_counter()
        for _ in range(in_flight):
            self._socket.sendall(request)
        answers = total = 0
        size, have = -1, 0
        deadline = started + seconds
        view = memoryview(self._buffer)
        while answers < in_flight or time.perf_counter() < deadline:
            got = self._socket.recv_into(view[have:] if size < 0 else view)
            assert got, "the broker hung up"
            total += got
            have += got
            done = 0
            while True:  # `have` bytes belong to the answer that has begun, and to those behind it
                if size < 0:
                    if have < SIZE.size:
                        break
                    size = SIZE.size + SIZE.unpack_from(view, got - have if got >= have else 0)[0]
                if have < size:
                    break
                have -= size
                size = -1
                done += 1
            answers += done
            if time.perf_counter() < deadline:
                self._socket.sendall(request * done)
        wall, now = time.perf_counter() - started, self._cpu()
        return Result(answers, wall, Cpu(now.user - cpu.user, now.system - cpu.system), total)

    def _cpu(self) -> Cpu:
        if self._pid is None:
            return Cpu(0.0, 0.0)
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        return Cpu(int(fields[11]) / ticks, int(fields[12]) / ticks)


def produce_request(topic: str, batch: bytes, acks: int) -> bytes:
    rows = [TopicProduceData(topic, partition_data=[PartitionProduceData(0, batch)])]
    return framed(0, PRODUCE_VERSION, ProduceRequest(None, acks, 30_000, rows))


def fetch_request(topic: str, offset: int, size: int) -> bytes:
    wanted = FetchPartition(0, fetch_offset=offset, partition_max_bytes=size)
    request = FetchRequest(
        max_wait_ms=500, min_bytes=1, max_bytes=size, topics=[FetchTopic(topic, partitions=[wanted])]
    )
    return framed(1, FETCH_VERSION, request)


def framed(key: int, version: int, request: ProduceRequest | FetchRequest) -> bytes:
    return frames.request_frame(
        frames.RequestHeader(key, version, 1, "bench"), api.encode_request(key, version, request)
    )


def batch_of(size: int) -> bytes:
    now = time.time_ns() // 1_000_000
    count = max(1, size // RECORD_BYTES)
    return build([Record(i, now, None, os.urandom(min(RECORD_BYTES, size))) for i in range(count)])


def calibration() -> float:
    data = os.urandom(1 << 20)
    crc32c(data)
    started = time.perf_counter()
    for _ in range(200):
        crc32c(data)
    return 200 * len(data) / (time.perf_counter() - started) / 1e9


@contextlib.contextmanager
def server() -> Iterator[tuple[str, int, int]]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.perf.data_plane_server", f"{folder}/data"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield "127.0.0.1", int(process.stdout.readline()), process.pid
            finally:
                process.send_signal(signal.SIGKILL)


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="How long each measurement takes.")
@click.option("--address", metavar="HOST:PORT", help="A running broker; default: start the data plane alone.")
@click.option("--topic", default="bench", show_default=True, help="It must exist.")
@click.option("--pid", type=int, help="The broker's process, for its CPU time.")
def main(seconds: float, address: str | None, topic: str, pid: int | None) -> None:
    """Measure produce and fetch."""
    with contextlib.ExitStack() as stack:
        if address is None:
            host, port, pid = stack.enter_context(server())
        else:
            host, _, text = address.rpartition(":")
            port = int(text)
        click.echo(f"CRC-32C {calibration():.1f} GB/s")
        for size, in_flight, acks in ((16_384, 5, 1), (16_384, 5, -1), (16_384, 1, 1), (100, 5, 1), (1_000_000, 5, 1)):
            client = Client(host, port, pid)
            batch = batch_of(size)
            result = client.drive(produce_request(topic, batch, acks), in_flight, seconds)
            result = replace(result, bytes=result.requests * len(batch))
            click.echo(result.line(f"produce {len(batch):,} bytes, {in_flight} in flight, acks {acks}"))
            client.close()
        for size, in_flight in ((1 << 20, 1), (1 << 20, 2), (16_384, 1), (16_384, 5)):
            client = Client(host, port, pid)
            result = client.drive(fetch_request(topic, 0, size), in_flight, seconds)
            click.echo(result.line(f"fetch {size:,} bytes, {in_flight} in flight"))
            client.close()


if __name__ == "__main__":
    main()
