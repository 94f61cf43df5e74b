"""The folder of a local cluster, without processes; with them it is tested by way of the command."""

import os
import subprocess
from pathlib import Path

import pytest

from kcli import properties
from kcli.cluster import local, processes
from kcli.cluster.local import LocalCluster, State
from kcli.cluster.processes import Process
from kcli.errors import Failure


def test_nodes_are_the_folders_that_have_settings(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    assert home.folders() == []
    for node in (10, 2):
        home.folder(node).write({"a": "b"})
    os.makedirs(tmp_path / "c" / "node-3")
    os.makedirs(tmp_path / "c" / "node-x")
    assert [folder.node for folder in home.folders()] == [2, 10]
    assert home.folder(2).load() == {"a": "b"}


def test_a_cluster_is_whole_when_its_nodes_count_from_0_and_have_settings(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    assert home.lacking() is None
    home.folder(1).write({})
    assert home.lacking() == home.folder(0).settings
    home.folder(0).write({})
    assert home.lacking() is None
    os.makedirs(home.folder(2).path)
    assert home.lacking() == home.folder(2).settings


def test_a_partition_is_kept_and_cuts_are_lines(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    home.folder(0).write({})
    assert home.sides() == ""
    home.set_sides("0 | 1")
    assert home.sides() == "0 | 1"
    home.folder(0).cut([("localhost", 1), ("localhost", 2)])
    assert (tmp_path / "c" / "node-0" / "cuts").read_text() == "localhost:1\nlocalhost:2\n"
    home.set_sides("")
    home.set_sides("")
    assert home.sides() == ""


def test_settings_are_written_so_that_they_come_back(tmp_path: Path) -> None:
    told = {"log.dirs": "C:\\data\\new", "a": "b=c", "empty": ""}
    assert {entry.key: entry.value for entry in properties.parse(local.text_of(told))} == told


def test_a_node_without_an_account_is_stopped_and_without_its_process_dead(tmp_path: Path) -> None:
    folder = LocalCluster(str(tmp_path)).folder(0)
    folder.write({})
    assert folder.state() == State("stopped")
    with subprocess.Popen(["sleep", "60"]) as somebody:
        processes.write(f"{folder.path}/process", Process(somebody.pid, "1"))
        assert folder.state() == State("crashed")
        assert not folder.kill()
        folder.wait_stopped()
        assert folder.state() == State("stopped")
        assert somebody.poll() is None
        somebody.kill()


def test_one_command_at_a_time(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    with home.locked():
        home.folder(0).write({})
        with pytest.raises(Failure, match="Another kcli cluster command"), home.locked():
            pass
    with home.locked():
        assert len(home.folders()) == 1


def test_nothing_is_left_of_a_cluster_that_was_not_made(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    with pytest.raises(Failure), home.locked():
        raise Failure("no")
    assert not os.path.exists(home.path)


def test_what_is_not_the_clusters_is_not_removed(tmp_path: Path) -> None:
    home = LocalCluster(str(tmp_path / "c"))
    with home.locked():
        home.folder(0).write({})
        (tmp_path / "c" / "notes.txt").write_text("mine")
        home.remove()
    assert sorted(os.listdir(home.path)) == [".lock", "notes.txt"]
