"""The journal of offsets: what groups had committed before it was changed (kcli/journal.py has the files)."""

import json
import os
import time
from collections.abc import Mapping

import click

from kcli import documents, journal
from kcli.client import Admin
from kcli.errors import Failure, Setup
from kcli.model.groups import Change, Committed
from kcli.model.moves import TopicPartition
from kcli.render import resets as render

TOOL, SCHEMA = "consumer-groups", "journal-offsets"
Former = Mapping[str, Mapping[TopicPartition, Committed | None]]


def add(admin: Admin, what: str, former: Former) -> str | None:
    """Write an entry; returns its id. None, and a warning: it cannot be written. That stops nobody's change."""
    document = {
        "cluster_id": admin.describe_cluster().id,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "what": what,
        "former": render.document(former),
    }
    try:
        return journal.write(TOOL, json.dumps(document, indent=1))
    except OSError as error:
        click.echo(f"The journal in {journal.folder(TOOL)} cannot be written: {error.strerror}.", err=True)
        return None


def forget(entry: str | None) -> None:
    """Take an entry back: nothing was changed."""
    if entry is not None:
        os.remove(journal.path(TOOL, entry))


def entries() -> tuple[Change, ...]:
    """All entries, the newest last. Raises Failure: one cannot be read."""
    return tuple(map(_read, journal.entries(TOOL)))


def find(entry: str | None, cluster_id: str | None) -> Change:
    """The entry of this id; None: the newest of this cluster. Raises Failure."""
    found = entries()
    if entry is None:
        of_here = [one for one in found if one.cluster_id == cluster_id]
        if not of_here:
            raise Failure(f"The journal has no change of offsets of the cluster {cluster_id}", _ADVICE)
        return of_here[-1]
    named = [one for one in found if one.id == entry]
    if not named:
        raise Failure(f"The journal has no change of offsets {entry}", _ADVICE)
    if named[0].cluster_id != cluster_id:
        raise Failure(
            f"The change {entry} is of the cluster {named[0].cluster_id}, not of {cluster_id}",
            "Look at --bootstrap-server.",
        )
    return named[0]


_ADVICE = "See 'kcli consumer-groups history'."


def _read(entry: str) -> Change:
    path = journal.path(TOOL, entry)
    try:
        told = documents.load(path, SCHEMA)
    except Setup as wrong:
        raise Failure(wrong.message, wrong.advice or f"Remove {path} if nobody needs it.") from wrong
    former: dict[str, dict[TopicPartition, Committed | None]] = {}
    for row in told["former"]:
        known = None if row["offset"] is None else Committed(row["offset"], row["leaderEpoch"], row["metadata"])
        former.setdefault(row["group"], {})[row["topic"], row["partition"]] = known
    return Change(entry, told["cluster_id"], told["when"], told["what"], former)
