"""Kubeconfig files: merged and written as client-go does, and nothing lost on the way."""

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from kcpfast.cli.client import kubeconfig
from kcpfast.cli.client.kubeconfig import CLUSTERS, CONTEXTS, USERS, File, Kubeconfig, NamedEntry
from kcpfast.cli.failure import Failure

ONE = """\
apiVersion: v1
kind: Config
clusters:
- name: one
  cluster: {server: https://one, certificate-authority: ca.crt}
contexts:
- name: one
  context: {cluster: one, user: me, namespace: spare}
"""
TWO = """\
current-context: two
clusters:
- name: one
  cluster: {server: https://hidden}
- name: two
  cluster: {server: https://two}
users:
- name: me
  user: {tokenFile: /var/token}
"""


def several(tmp_path: Path, *texts: str | None) -> Kubeconfig:
    """Return kubeconfigs in directories of their own; None stands for a file that is not there."""
    paths = []
    for number, text in enumerate(texts):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(folder / "config")
        if text is not None:
            paths[-1].write_text(text)
    return Kubeconfig("", {"KUBECONFIG": os.pathsep.join(map(str, paths))})


def found(config: Kubeconfig, kind: str, name: str) -> NamedEntry:
    entry = config.find(kind, name)
    assert entry is not None
    return entry


def on_disk(config: Kubeconfig, number: int = 0) -> dict[str, object]:
    loaded: dict[str, object] = yaml.safe_load(Path(config.files[number].path).read_text())
    return loaded


def test_first_file_wins(tmp_path: Path) -> None:
    config = several(tmp_path, None, ONE, TWO)
    assert config.current == "two"
    assert found(config, CLUSTERS, "one").text("server") == "https://one"
    assert found(config, CLUSTERS, "two").text("server") == "https://two"
    assert config.find(CLUSTERS, "three") is None
    assert config.main is config.files[1]


def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    config = several(tmp_path, ONE, TWO)
    ca = found(config, CLUSTERS, "one").path("certificate-authority")
    assert ca == str(tmp_path / "0" / "ca.crt")
    assert found(config, USERS, "me").path("tokenFile") == "/var/token"
    assert found(config, CLUSTERS, "two").path("certificate-authority") == ""


def test_entries_go_back_where_they_came_from(tmp_path: Path) -> None:
    config = several(tmp_path, ONE, TWO)
    old, like = found(config, CLUSTERS, "two"), found(config, CLUSTERS, "one")
    config.put(CLUSTERS, "two", {"server": "https://other"}, old)
    config.put(CLUSTERS, "new", {**like.content, "server": "https://new"}, like)
    config.current = "one"
    config.save()
    one, two = on_disk(config), on_disk(config, 1)
    assert one["current-context"] == "one"
    assert one["clusters"] == [
        {"name": "one", "cluster": {"server": "https://one", "certificate-authority": "ca.crt"}},
        {"name": "new", "cluster": {"server": "https://new", "certificate-authority": "ca.crt"}},
    ]
    assert two["current-context"] == "two"
    assert two["clusters"] == [
        {"name": "one", "cluster": {"server": "https://hidden"}},
        {"name": "two", "cluster": {"server": "https://other"}},
    ]


def test_paths_move_to_another_file_as_absolute_ones(tmp_path: Path) -> None:
    config = several(tmp_path, ONE, TWO)
    like = found(config, CLUSTERS, "one")
    config.put(CLUSTERS, "two", like.content, like)
    config.save()
    moved = found(config, CLUSTERS, "two")
    assert moved.content["certificate-authority"] == str(tmp_path / "0" / "ca.crt")


def test_unchanged_files_are_not_written(tmp_path: Path) -> None:
    config = several(tmp_path, ONE, TWO)
    entry = found(config, CLUSTERS, "one")
    config.put(CLUSTERS, "one", dict(entry.content), entry)
    config.current = "two"
    assert not any(file.changed for file in config.files)
    config.save()
    assert Path(config.files[0].path).read_text() == ONE


def test_nothing_is_lost(tmp_path: Path) -> None:
    text = TWO + (
        "preferences: {colors: true}\n"
        "extensions:\n"
        "- name: minikube.sigs.k8s.io\n"
        "  extension: {version: 1.30, last-update: 2024-05-01T10:00:00Z, on: 'yes', none: ~}\n"
        "what-is-this: [1e5, 0o17, '5', \"y\"]\n"
    )
    config = several(tmp_path, text)
    before = yaml.load(text, yaml.BaseLoader)
    config.current = "one"
    config.save()
    after = yaml.load(Path(config.files[0].path).read_text(), yaml.BaseLoader)
    assert after == {**before, "current-context": "one", "extensions": after["extensions"]}
    kept = after["extensions"][0]["extension"]
    expected = {"version": "1.30", "last-update": "2024-05-01T10:00:00Z", "none": "null"}
    assert {key: kept[key] for key in expected} == expected


def test_a_json_kubeconfig_stays_json(tmp_path: Path) -> None:
    config = several(tmp_path, '{"current-context": "a", "extensions": [{"count": 5}]}')
    config.current = "b"
    config.save()
    expected = {"current-context": "b", "extensions": [{"count": 5}]}
    assert json.loads(Path(config.files[0].path).read_text()) == expected


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_the_mode_is_kept(mode: int, tmp_path: Path) -> None:
    config = several(tmp_path, ONE)
    path = Path(config.files[0].path)
    path.chmod(mode)
    config.current = "x"
    config.save()
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(path.parent) == ["config"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(ONE)
    (tmp_path / "link").symlink_to("real")
    config = Kubeconfig(str(tmp_path / "link"))
    config.current = "x"
    config.save()
    assert (tmp_path / "link").is_symlink()
    assert "current-context: x" in (tmp_path / "real").read_text()


def test_a_new_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    config = Kubeconfig("", {"KUBECONFIG": str(path)})
    assert not config.exists
    config.put(CONTEXTS, "a", {"cluster": "b"}, NamedEntry(None, {}))
    config.current = "a"
    config.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert on_disk(config)["kind"] == "Config"


def test_a_file_that_cannot_be_replaced_is_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    config = several(tmp_path, ONE)
    monkeypatch.setattr(os, "replace", busy)
    config.current = "x"
    config.save()
    assert on_disk(config)["current-context"] == "x"
    assert os.listdir(tmp_path / "0") == ["config"]


def test_a_failed_write_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = several(tmp_path, None)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space")))
    config.current = "x"
    with pytest.raises(Failure, match=r"cannot write .*: No space"):
        config.save()
    assert os.listdir(tmp_path / "0") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: [", "error loading config file"),
        (b"- a\n", "it is no kubeconfig"),
        (b"a: \xff\n", "error loading config file"),
        (b"a: !!python/none\n", "error loading config file"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(text: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(text)
    with pytest.raises(Failure, match=why):
        File(str(path))


@pytest.mark.parametrize("text", ["", "# nothing\n", "clusters: null\ncontexts:\nusers: []\n"])
def test_an_empty_kubeconfig_is_fine(text: str, tmp_path: Path) -> None:
    config = several(tmp_path, text)
    assert config.current == ""
    assert config.find(CONTEXTS, "a") is None


def test_an_explicit_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        Kubeconfig(str(tmp_path / "none"))
    with pytest.raises(Failure, match="Is a directory"):
        Kubeconfig(str(tmp_path))


@pytest.mark.parametrize(
    ("environment", "paths"),
    [
        ({}, ["/home/me/.kube/config"]),
        ({"KUBECONFIG": ""}, ["/home/me/.kube/config"]),
        ({"KUBECONFIG": "/a:/b:/a:"}, ["/a", "/b"]),
    ],
)
def test_files_are_found_by_environment(
    environment: dict[str, str], paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert kubeconfig._paths(environment) == paths
