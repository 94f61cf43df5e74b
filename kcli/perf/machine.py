"""The machine and the versions behind a figure: without them nobody can compare it with another."""

import os
import platform
import random
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kcli import __version__
from kcli.pipeline.checksum import crc32c

MB = 1_000_000
ROUNDS, REPEATS = 10, 10
LIBRARIES = ("crc32c", "cramjam")


def calibration() -> float:
    """CRC-32C of 1 MB, in GB/s, the best of some rounds: what one core is worth right now."""
    data = random.Random(0).randbytes(MB)
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(REPEATS):
            crc32c(data)
        best = min(best, time.perf_counter() - started)
    return REPEATS * MB / best / 1e9


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cpus": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2),
        "crc32c_gb_per_s": round(calibration(), 3),
    }


def versions() -> dict[str, str]:
    found = {"kcli": __version__, "python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "unknown"
    return found
