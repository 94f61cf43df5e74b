"""Commands as texts: a world in memory, a command, what it printed."""

from pathlib import Path

import pytest

from tests.support import datadriven
from tests.support.world import Script

TEXTS = sorted(Path(__file__).parent.glob("*/*.txt"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_command_prints_what_is_written(path: Path, tmp_path: Path, rewrite: bool) -> None:
    datadriven.run(path, Script(tmp_path), rewrite=rewrite)
