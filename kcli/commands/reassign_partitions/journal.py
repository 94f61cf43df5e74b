"""The journal: what was begun on which cluster, and where the replicas were, so that there is a way back.

One file an entry in $XDG_STATE_HOME/kcli-kafka/journal/, named after its time in UTC; entries of the same second are
told apart by a number. The file is written before the cluster is asked for anything.
"""

import json
import os
import time
from collections.abc import Iterable
from typing import Any

import click

from kcli import documents
from kcli.errors import Failure, Setup
from kcli.model.moves import Recorded, Target
from kcli.plan import reassignment as plan
from kcli.render import reassignment as render

SUFFIX = ".json"
MAX_SAME_SECOND = 1000


def home() -> str:
    """The folder of the entries."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kcli-kafka", "journal")


def add(cluster_id: str | None, targets: Iterable[Target], former: Iterable[Target]) -> str | None:
    """Write an entry; returns its id. None, and a warning: it cannot be written. That stops nobody's reassignment."""
    now = time.gmtime()
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
    document = {
        "cluster_id": cluster_id,
        "began": began,
        "plan": render.document(targets),
        "former": render.document(former),
    }
    try:
        return _write(time.strftime("%Y%m%d-%H%M%S", now), json.dumps(document))
    except OSError as error:
        click.echo(f"The journal in {home()} cannot be written: {error.strerror}.", err=True)
        return None


def _write(stamp: str, text: str) -> str:
    folder = home()
    os.makedirs(folder, exist_ok=True)
    for number in range(1, MAX_SAME_SECOND):
        entry = stamp if number == 1 else f"{stamp}-{number}"
        try:
            with open(os.path.join(folder, entry + SUFFIX), "x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return entry
    raise OSError(0, "there are too many entries of this second")


def forget(entry: str | None) -> None:
    """Take an entry back: nothing was begun."""
    if entry is not None:
        os.remove(os.path.join(home(), entry + SUFFIX))


def entries() -> tuple[Recorded, ...]:
    """All entries, the newest last. Raises Failure: one cannot be read."""
    try:
        names = os.listdir(home())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Failure(f"Cannot read {home()}: {error.strerror}") from error
    found = [_read(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX)]
    return tuple(sorted(found, key=lambda entry: _order(entry.id)))


def _order(entry: str) -> tuple[list[str], int]:
    words = entry.split("-")
    number = words[2] if len(words) > 2 else "1"
    return words[:2], int(number) if number.isdigit() else 0


def _read(entry: str) -> Recorded:
    path = os.path.join(home(), entry + SUFFIX)
    try:
        told: dict[str, Any] = documents.load(path, "journal")
    except Setup as wrong:
        raise Failure(wrong.message, wrong.advice or f"Remove {path} if nobody needs it.") from wrong
    return Recorded(
        entry, told["cluster_id"], told["began"], plan.targets_of(told["plan"]), plan.targets_of(told["former"])
    )


def find(entry: str | None, cluster_id: str | None) -> Recorded:
    """The entry of this id; None: the newest of this cluster. Raises Failure."""
    found = entries()
    if entry is None:
        of_here = [one for one in found if one.cluster_id == cluster_id]
        if not of_here:
            raise Failure(f"The journal has no entry of the cluster {cluster_id}", "See 'kcli reassign history'.")
        return of_here[-1]
    named = [one for one in found if one.id == entry]
    if not named:
        raise Failure(f"The journal has no entry {entry}", "See 'kcli reassign history'.")
    if named[0].cluster_id != cluster_id:
        raise Failure(
            f"The entry {entry} is of the cluster {named[0].cluster_id}, not of {cluster_id}",
            "Look at --bootstrap-server.",
        )
    return named[0]
