"""meta.properties: which cluster and which node a log directory belongs to, and its own id.

A Java .properties file. Version 1 is KRaft's; version 0 (broker.id, maybe no cluster id) is read, never written.
Source: KIP-631, KIP-858.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from server.model.ids import RESERVED_UUIDS, DirectoryId, uuid_of, uuid_text

FILE = "meta.properties"


class UnusableDirectory(Exception):
    """A log directory cannot be used as it is. The message is one line for the operator."""


class NotFormatted(UnusableDirectory):
    """It holds no meta.properties."""


@dataclass(frozen=True, slots=True)
class MetaProperties:
    """None: the file does not say."""

    cluster_id: str | None
    node_id: int | None
    directory_id: DirectoryId | None
    version: int = 1


def parse(text: str, path: str = FILE) -> MetaProperties:
    """Read the file's text. Raises UnusableDirectory, naming `path`."""
    try:
        fields = read_properties(text)
        version = _number(fields.get("version", "0"), "Invalid meta.properties version string '{}'")
        if version not in (0, 1):
            raise ValueError(f"Unknown meta.properties version number {version}")
        node = fields.get("node.id", fields.get("broker.id"))
        directory = fields.get("directory.id")
        if version == 1:
            missing = [name for name in ("cluster.id", "node.id") if name not in fields]
            if missing:
                raise ValueError(f"{missing[0]} was not found.")
        directory_id = uuid_of(directory) if directory else None
        if directory_id is not None and directory_id.int < RESERVED_UUIDS:
            raise ValueError(f"directory.id {directory} is a reserved one")
        return MetaProperties(
            fields.get("cluster.id"),
            _number(node, "Unable to read node.id as a base-10 number") if node is not None else None,
            DirectoryId(directory_id) if directory_id is not None else None,
            version,
        )
    except ValueError as error:
        raise UnusableDirectory(f"Cannot read {path}: {str(error).rstrip('.')}.") from error


def _number(text: str, otherwise: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise ValueError(otherwise.format(text)) from None


def format(meta: MetaProperties, timestamp_ms: int) -> str:
    """Write the file's text as Java does, with a comment line that says when."""
    date = datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    fields = {"node.id": meta.node_id, "directory.id": None, "version": meta.version, "cluster.id": meta.cluster_id}
    if meta.directory_id is not None:
        fields["directory.id"] = uuid_text(meta.directory_id)
    lines = (f"{name}={_escape(str(value))}\n" for name, value in fields.items() if value is not None)
    return f"#\n#{date}\n" + "".join(lines)


_ESCAPES = {"\\": "\\\\", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def _escape(value: str) -> str:
    text = "".join(_ESCAPES.get(c, c if " " <= c <= "~" else f"\\u{ord(c):04X}") for c in value)
    return "\\" + text if text.startswith(" ") else text


def read_properties(text: str) -> dict[str, str]:
    """Read Java .properties: comments, continued lines, escapes, any of `=`, `:` and blanks behind a name.

    Raises ValueError: a \\u escape that is none.
    """
    fields: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        line = line.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        while _continues(line):
            line = line[:-1] + next(lines, "").lstrip(" \t\f")
        name, value = _divide(line)
        fields[name] = value
    return fields


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _divide(line: str) -> tuple[str, str]:
    at = 0
    while at < len(line) and line[at] not in "=: \t\f":
        at += 2 if line[at] == "\\" else 1
    rest = line[at:].lstrip(" \t\f")
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(" \t\f")
    return _unescape(line[:at]), _unescape(rest)


def _unescape(text: str) -> str:
    out, at = [], 0
    while at < len(text):
        c = text[at]
        at += 1
        if c == "\\" and at < len(text):
            c = text[at]
            at += 1
            if c == "u":
                out.append(chr(_number(text[at : at + 4], "{} is no \\u escape", 16)))
                at += 4
                continue
            c = _UNESCAPES.get(c, c)
        out.append(c)
    return "".join(out)
