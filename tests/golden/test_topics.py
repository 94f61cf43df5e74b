"""kcli topics as texts: a world in memory, a command, what it printed."""

from pathlib import Path

import pytest

from tests.support import datadriven
from tests.support.world import Script

TEXTS = sorted((Path(__file__).parent / "topics").glob("*.txt"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_topics(path: Path, tmp_path: Path, rewrite: bool) -> None:
    datadriven.run(path, Script(tmp_path), rewrite=rewrite)
