from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.log import meta_properties
from server.log.meta_properties import MetaProperties, UnusableDirectory
from server.model.ids import DirectoryId

DIRECTORY = DirectoryId(UUID("ade82318-dc64-dd39-658c-92ae942d2b76"))
KAFKA = """#
#Fri Nov 20 12:11:27 UTC 2026
node.id=0
directory.id=regjGNxk3TlljJKulC0rdg
version=1
cluster.id=8oKgTfwXTvOPGWGdX6gbcQ
"""


def test_it_reads_and_writes_what_kafka_writes() -> None:
    meta = meta_properties.parse(KAFKA)
    assert meta == MetaProperties("8oKgTfwXTvOPGWGdX6gbcQ", 0, DIRECTORY)
    assert meta_properties.format(meta, 1795176687000) == KAFKA


def test_version_0_is_read() -> None:
    """ZooKeeper's: broker.id, and everything may be missing."""
    assert meta_properties.parse("version=0\nbroker.id=3\n") == MetaProperties(None, 3, None, 0)
    assert meta_properties.parse("") == MetaProperties(None, None, None, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("version=1\nnode.id=1\n", "cluster.id was not found"),
        ("version=1\ncluster.id=c\n", "node.id was not found"),
        ("version=2\n", "Unknown meta.properties version number 2"),
        ("version=x\n", "Invalid meta.properties version string 'x'"),
        ("version=1\ncluster.id=c\nnode.id=one\n", "Unable to read node.id as a base-10 number"),
        ("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=tooshort\n", "directory|byte|padding|base64"),
        ("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n", "reserved"),
        ("node.id=\\u00zz\n", "00zz is no \\\\u escape"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(UnusableDirectory, match=words) as refusal:
        meta_properties.parse(text, "/data/meta.properties")
    assert "/data/meta.properties" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_java_properties_in_all_their_forms() -> None:
    text = "! a comment\n  # another\na=1\nb : 2\nc 3\nd\ne=x\\\n   y\nf\\:g=\\u0041\\tz\\\\\n\n"
    assert meta_properties.read_properties(text) == {
        "a": "1",
        "b": "2",
        "c": "3",
        "d": "",
        "e": "xy",
        "f:g": "A\tz\\",
    }


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1))
def test_any_cluster_id_comes_back(cluster_id: str) -> None:
    meta = MetaProperties(cluster_id, 5, DIRECTORY)
    assert meta_properties.parse(meta_properties.format(meta, 0)) == meta
