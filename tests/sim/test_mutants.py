"""Planted bugs: each can still be planted, and the quickest are caught here. `make sim-mutants` hunts them all."""

import pytest

from tests.sim import mutants
from tests.sim.mutants import Unplantable, hunt_apart, mutated
from tests.sim.planted import MUTANTS, Mutant
from tests.sim.worlds import KINDS

QUICK = ("serve-above-hw", "elect-from-outside-the-isr", "commit-by-counting-old-epochs")
LEAST = 20


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= LEAST
    assert {mutant.world for mutant in MUTANTS} <= KINDS.keys()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant) -> None:
    compile(mutated(mutant), mutant.file, "exec")


def test_a_mutant_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(Unplantable, match="holds 'what nobody wrote' 0 times, not once"):
        mutated(Mutant("m", "replica", "server/node.py", "what nobody wrote", "", ""))


@pytest.mark.parametrize("name", QUICK)
def test_the_simulator_catches_it(name: str) -> None:
    mutant = next(each for each in MUTANTS if each.name == name)
    verdict = hunt_apart(mutant, 40)
    assert verdict.seed is not None
    assert any(name in row and verdict.anomaly[:20] in row for row in mutants.rows([verdict]))
