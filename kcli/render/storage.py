"""Log directories and features in the words of kafka-storage.sh, and as data for --output json."""

from collections.abc import Iterable, Mapping, Sequence

from kcli.model import Credential, Level, LogDir, Meta

METADATA_VERSION = "metadata.version"


def bootstrap(levels: Sequence[Level], credentials: Sequence[Credential]) -> str:
    """The line of what a new cluster starts with: Java's form of the records."""
    records = [f"FeatureLevelRecord(name='{each.name}', featureLevel={each.level})" for each in levels]
    records += [_credential(each) for each in credentials]
    told = ", ".join(f"ApiMessageAndVersion({record} at version 0)" for record in records)
    level = next(each.level for each in levels if each.name == METADATA_VERSION)
    return (
        f"Bootstrap metadata: BootstrapMetadata(records=[{told}], metadataVersionLevel={level}, "
        "source=format command)\n"
    )


def _credential(one: Credential) -> str:
    salt, stored, server = (
        str([byte - 256 if byte > 127 else byte for byte in raw]) for raw in (one.salt, one.stored_key, one.server_key)
    )
    return (
        f"UserScramCredentialRecord(name='{one.user}', mechanism={one.mechanism}, salt={salt}, storedKey={stored}, "
        f"serverKey={server}, iterations={one.iterations})"
    )


def formatting(kind: str, directory: str, release: str) -> str:
    return f"Formatting {kind} {directory} with {METADATA_VERSION} {release}.\n"


def formatted_data(
    rows: Sequence[tuple[str, str, str]], unreadable: Sequence[str], cluster_id: str, levels: Sequence[Level]
) -> object:
    """rows: (directory, kind, directory id)."""
    return {
        "clusterId": cluster_id,
        "features": {each.name: each.level for each in levels},
        "formatted": [{"directory": path, "kind": kind, "directoryId": own} for path, kind, own in rows],
        "unreadable": list(unreadable),
    }


def info(found: Sequence[LogDir], problems: Sequence[str]) -> str:
    """What `info` prints: the directories that are there, what the first formatted one says, what is wrong."""
    if not found:
        return "No directories specified.\n"
    there = [each.path for each in found if each.kind not in ("missing", "file")]
    parts = [_listed("Found log director", ("y", "ies"), there)]
    meta = _first(found)
    if meta:
        told = ", ".join(f"{name}={value}" for name, value in _meta(meta).items() if value is not None)
        parts.append(f"Found metadata: {{{told}}}\n\n")
    parts.append(_listed("Found problem", ("", "s"), problems))
    return "".join(parts)


def info_data(found: Sequence[LogDir], problems: Sequence[str]) -> object:
    return {
        "directories": [
            {"directory": each.path, "state": each.kind, "directoryId": each.meta.directory_id if each.meta else None}
            for each in found
        ],
        "metadata": _data(meta) if (meta := _first(found)) else None,
        "problems": list(problems),
    }


def mapping(levels: Iterable[Level]) -> str:
    return "".join(f"{_told(each)}\n" for each in levels)


def levels_data(levels: Iterable[Level]) -> list[object]:
    return [{"feature": each.name, "level": each.level, "release": each.release} for each in levels]


def dependencies(level: Level, needs: Sequence[Level]) -> str:
    if not needs:
        return f"{_told(level)} has no dependencies.\n"
    return f"{_told(level)} requires:\n" + "".join(f"    {_told(each)}\n" for each in needs)


def _told(level: Level) -> str:
    return f"{level.name}={level.level}" + (f" ({level.release})" if level.release else "")


def _listed(words: str, endings: tuple[str, str], lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return f"{words}{endings[len(lines) > 1]}:\n" + "".join(f"  {line}\n" for line in lines) + "\n"


def _first(found: Iterable[LogDir]) -> Meta | None:
    return next((each.meta for each in found if each.meta), None)


def _meta(meta: Meta) -> Mapping[str, object]:
    """By name, as a sorted map prints them."""
    node = "node.id" if meta.version else "broker.id"
    told = {
        "cluster.id": meta.cluster_id,
        "directory.id": meta.directory_id,
        node: meta.node_id,
        "version": meta.version,
    }
    return dict(sorted(told.items()))


def _data(meta: Meta) -> object:
    return {
        "clusterId": meta.cluster_id,
        "nodeId": meta.node_id,
        "directoryId": meta.directory_id,
        "version": meta.version,
    }
