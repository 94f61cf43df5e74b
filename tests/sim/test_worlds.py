"""A seed is a world, and always the same one, whatever was played before it and whatever hashes strings have."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.sim.worlds import KINDS, MIX, kind_of, play

DIGESTS = """
import logging, sys
from tests.sim.test_worlds import digest
logging.disable(logging.CRITICAL)
print(digest(sys.argv[1], int(sys.argv[2])))
"""


def digest(kind: str, seed: int) -> str:
    """Of all that a world says, and of what came of it."""
    told = sha256()
    tally = play(seed, kind, lambda line: told.update(line.encode() + b"\n"))
    told.update(str(tally).encode())
    return told.hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_is_the_same_after_another_one(kind: str) -> None:
    first, other, again = digest(kind, 3), digest(kind, 4), digest(kind, 3)
    assert first == again
    assert first != other


@pytest.mark.parametrize("kind", ["replica", "replicated"])
def test_a_world_is_the_same_in_another_process(kind: str) -> None:
    """With other hashes of strings, other addresses of objects, and nothing played before."""
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, kind, "3"],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(kind, 3)


def test_the_mix_has_every_kind() -> None:
    assert {kind_of(seed) for seed in range(len(MIX))} == KINDS.keys()


@pytest.mark.parametrize(("kind", "seed"), [("broker", 409), ("quorum", 20815), ("txn", 20128)])
def test_a_seed_that_found_a_bug_finds_none(kind: str, seed: int) -> None:
    play(seed, kind)
