"""python -m tests.perf.bench_log [folder]: the log alone, without network or loop.

Prints microseconds per append (stage, and stage beside the CRC), per vectored write, per read, and MB/s; then how long
it takes to open logs. The first line calibrates the machine. Nothing is asserted.
"""

import os
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable

from server.log.disk import OsDisk
from server.log.log import Log
from server.model.log_settings import LogSettings
from server.records import batch, build
from server.records.batch import Record

NOW = 1_700_000_000_000
MB = 1_000_000
SETTINGS = LogSettings(segment_bytes=(1 << 31) - 1)
ROUNDS = 5


def opened(folder: str, *, clean: bool = False, leo: int = 0) -> Log:
    return Log.open(
        OsDisk(),
        folder,
        SETTINGS,
        recovery_point=leo,
        log_start_offset=0,
        clean_shutdown=clean,
        now_ms=0,
        timestamp_ms=NOW,
    )


def best(do: Callable[[], object], times: int) -> float:
    """Microseconds per call, of the best of a few rounds."""
    found = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(times):
            do()
        found.append((time.perf_counter() - begin) / times * 1e6)
    return min(found)


def produced(size: int, producer_id: int = -1) -> bytearray:
    value = os.urandom(1000)
    made = [Record(0, NOW, None, value) for _ in range(max(1, size // 1010))]
    sequence = 0 if producer_id >= 0 else -1
    return bytearray(build.build(made, producer_id=producer_id, producer_epoch=sequence, base_sequence=sequence))


def line(what: str, figure: str) -> None:
    sys.stdout.write(f"{what:44} {figure}\n")


def appends(folder: str, size: int, together: int, producer_id: int) -> Log:
    log = opened(folder)
    template = produced(size, producer_id)
    count = batch.header(template).count
    rounds = max(2, 400 * MB // (len(template) * together))
    sequence = 0
    staging: list[float] = []
    writing: list[float] = []
    for _ in range(rounds):
        group = []
        for _ in range(together):
            data = bytearray(template)
            if producer_id >= 0:
                struct.pack_into(">i", data, 53, sequence)
                struct.pack_into(">I", data, 17, batch.crc32c(memoryview(data)[21:]))
                sequence += count
            group.append(memoryview(data))
        begin = time.perf_counter()
        for data_view in group:
            log.stage(data_view, 0, NOW)
        staged = time.perf_counter()
        log.write()
        staging.append(staged - begin)
        writing.append(time.perf_counter() - staged)
    crc = best(lambda: batch.crc32c(template), 200)
    batches = rounds * together
    stage, write = (statistics.median(times) / together * 1e6 for times in (staging, writing))
    total = batches * len(template) / MB / (sum(staging) + sum(writing))
    who = "idempotent" if producer_id >= 0 else "plain"
    line(
        f"append {len(template):8} bytes, {together:2} a write, {who}",
        f"stage {stage:6.2f} us ({stage - crc:5.2f} beside the CRC), write {write:7.2f} us, {total:6.0f} MB/s",
    )
    return log


def reads(log: Log, max_bytes: int) -> None:
    begin, offset, calls, total = time.perf_counter(), 0, 0, 0
    while offset < log.leo:
        found = log.read(offset, max_bytes, log.leo)
        offset, calls, total = found.next_offset, calls + 1, total + len(found.data)
    took = time.perf_counter() - begin
    line(f"read on, {max_bytes} bytes", f"{took / calls * 1e6:7.2f} us, {total / MB / took:6.0f} MB/s")
    step = max(1, log.leo // 997)
    begin = time.perf_counter()
    for n in range(997):
        log.read(n * step, max_bytes, log.leo)
    line(f"read anywhere, {max_bytes} bytes", f"{(time.perf_counter() - begin) / 997 * 1e6:7.2f} us")


def starts(folder: str, log: Log) -> None:
    log.close()
    size = log.size / MB
    begin = time.perf_counter()
    again = opened(folder, clean=True, leo=log.leo)
    line(f"open {size:.0f} MB after a clean stop", f"{(time.perf_counter() - begin) * 1e3:7.2f} ms")
    again.close()
    begin = time.perf_counter()
    again = opened(folder)
    took = time.perf_counter() - begin
    line(f"recover {size:.0f} MB", f"{took * 1e3:7.2f} ms, {size / took:6.0f} MB/s")
    assert again.leo == log.leo


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="bench-log-")
    chunk = os.urandom(MB)
    line("this machine: crc32c of 1 MB", f"{1 / best(lambda: batch.crc32c(chunk), 50) * MB / 1e3:7.2f} GB/s")
    try:
        for n, (size, together) in enumerate(((16_384, 1), (16_384, 8), (1_000_000, 1), (100, 50))):
            for producer_id in (-1, 7):
                log = appends(f"{folder}/bench{n}{'i' if producer_id >= 0 else 'p'}-0", size, together, producer_id)
        log = appends(f"{folder}/reads-0", 16_384, 8, 7)
        for max_bytes in (1 << 20, 16_384):
            reads(log, max_bytes)
        starts(f"{folder}/reads-0", log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
