"""Where a golden record is played: an empty work folder, and a new broker of one kind or the other."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.nodes import HOST, Node
from tests.support.records import Place


@contextmanager
def place_for(text: str, kind: type[Node]) -> Iterator[Place]:
    """A place to play the record `text`; the broker is there only where the record names its address."""
    with tempfile.TemporaryDirectory(prefix="kcli-record-") as top:
        work = Path(top) / "work"
        work.mkdir()
        if "$B" not in text and "$C" not in text:
            yield Place(work)
            return
        with kind(Path(top) / "node") as node:
            yield Place(work, node.bootstrap, f"{HOST}:{node.controller_port}")
