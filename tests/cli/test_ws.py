"""ws: going from workspace to workspace, as kcp's plugin does it."""

from pathlib import Path
from typing import Any

import pytest

from tests.fix_cli import GROUPS, Cli, Fake, furnish, status, workspace, workspaces

CURRENT = "workspace.kcp.io/current"
NOTE_HOME = "Note: 'kubectl ws' now matches 'cd' semantics"
BINDINGS = "apis/apis.kcp.io/v1alpha2/apibindings"


@pytest.fixture(autouse=True)
def places(fake: Fake, config: Path) -> None:
    furnish(fake, "root:org", "root:org:team", "root:org:other")
    fake.answers[f"GET {workspaces('root', '~')}"] = workspace(fake, "root:home")
    furnish(fake, "root:home", "root:home:a")


@pytest.mark.parametrize(
    ("walk", "out"),
    [
        (".", "'root'."),
        ("org", "'root:org' (type root:universal)."),
        ("org:team", "'root:org:team' (type root:universal)."),
        (":root:org", "'root:org' (type root:universal)."),
        (":root", "'root' (type root)."),
        (":", "'root'."),
        ("org/team", "'root:org:team' (type root:universal)."),
        ("org:team .", "'root:org:team'."),
        ("org:team ..", "'root:org' (type root:universal)."),
        ("org:team ..:..", "'root' (type root)."),
        ("org:team ..:other", "'root:org:other' (type root:universal)."),
        ("org:team :", "'root'."),
        ("org -", "'root'."),
        ("org team - -", "'root:org:team'."),
        ("org team - .", "'root:org'."),
        ("~", "'root:home' (type root:universal)."),
        ("~:a", "'root:home:a' (type root:universal)."),
    ],
)
@pytest.mark.parametrize("form", ["ws", "ws use", "kcp workspace", "workspace cd"])
def test_walk_through_workspaces(walk: str, out: str, form: str, cli: Cli) -> None:
    for word in walk.split():
        result = cli(*form.split(), word)
        assert (result.code, result.err) == (0, "")
    assert result.out == f"Current workspace is {out}\n"


def test_no_word_means_home(cli: Cli) -> None:
    result = cli(program="kubectl-ws")
    assert result.out == "Current workspace is 'root:home' (type root:universal).\n"
    assert result.err.startswith(NOTE_HOME)


def test_an_absolute_path_begins_with_a_colon(cli: Cli) -> None:
    result = cli("ws", "root:org")
    assert result.out == "Current workspace is 'root:org' (type root:universal).\n"
    assert result.err.startswith("Note: Using 'root:' to define an absolute path")


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (". --short", "root\n"),
        ("current", "Current workspace is 'root'.\n"),
        ("current --short", "root\n"),
        ("org --short", "root:org\n"),
        (". -w org", "Current workspace is 'root:org'.\n"),
        ("current -w org:team --short", "root:org:team\n"),
        ("team -w org", "Current workspace is 'root:org:team' (type root:universal).\n"),
        (". -s https://h/x", 'Current workspace is the URL "https://h/x".\n'),
        (". --short -s https://h/x", ""),
    ],
)
def test_ws_flags(words: str, out: str, cli: Cli) -> None:
    assert cli(*words.split(), program="kubectl-ws") == (0, out, "")


FORBIDDEN = (403, status(403, "Forbidden", "forbidden: no"))


@pytest.mark.parametrize(
    ("inside", "parent", "result"),
    [
        (FORBIDDEN, None, 'workspace "root:x" not found'),
        (FORBIDDEN, FORBIDDEN, 'access to workspace "root:x" denied'),
        ({"groups": []}, FORBIDDEN, 'access to workspace "root:x" denied'),
        (None, None, 'workspace "root:x" not found'),
        (GROUPS, None, "Current workspace is 'root:x'."),
        (GROUPS, FORBIDDEN, "Current workspace is 'root:x'."),
        ((500, status(500, "InternalError", "oops")), None, "oops"),
    ],
)
def test_what_the_workspace_itself_says_counts(
    inside: Any, parent: Any, result: str, fake: Fake, config: Path, cli: Cli
) -> None:
    if inside is not None:
        fake.answers["GET /clusters/root:x/apis"] = inside
    if parent is not None:
        fake.answers[f"GET {workspaces('root', 'x')}"] = parent
    before = config.read_text()
    said = cli("ws", "x")
    assert result in said.out + said.err
    assert said.code == (0 if inside == GROUPS else 1)
    assert (config.read_text() == before) == bool(said.code)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-", "no previous workspace found in kubeconfig"),
        ("..", "invalid workspace path: .."),
        ("Bad", "invalid workspace path: Bad"),
        ("-i x", "interactive mode does not accept arguments"),
        ("-i", "interactive mode needs a terminal"),
        ("org -s http://h/x", 'current URL "http://h/x" does not point to a workspace'),
    ],
)
def test_ws_refuses(words: str, text: str, config: Path, cli: Cli) -> None:
    before = config.read_text()
    assert cli(*words.split(), program="kubectl-ws") == (1, "", f"Error: {text}\n")
    assert config.read_text() == before


def test_another_kubeconfig_is_changed_instead(
    config: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    config.rename(other)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert cli("ws", "--kubeconfig", str(other), "org").code == 0
    assert cli("ws", ".", "--kubeconfig", str(other), "--short").out == "root:org\n"
    assert not (tmp_path / "none").exists()


def test_another_context_is_left_from(config: Path, cli: Cli) -> None:
    assert cli("ws", "create-context", "mine").code == 0
    assert cli("ws", "org").code == 0
    assert cli("ws", "use", "org:team", "--context", "main").code == 0
    assert cli("ws", "-", "--short").out == "root\n"


def test_a_bare_url_will_do_for_absolute_paths(config: Path, cli: Cli) -> None:
    config.write_text(config.read_text().replace("/clusters/root", ""))
    assert cli("ws", "org").err.endswith("does not point to a workspace\n")
    assert cli("ws", ":root:org", "--short").out == "root:org\n"
    assert cli("ws", "team", "--short").out == "root:org:team\n"


# ------------------------------------------------------------------------- permission claims


def binding(*answers: dict[str, Any]) -> dict[str, Any]:
    exported = [
        {"group": "", "resource": "secrets", "verbs": ["get", "list"]},
        {"group": "a.io", "resource": "things", "identityHash": "abc", "verbs": ["*"]},
    ]
    return {
        "metadata": {"name": "b"},
        "spec": {"permissionClaims": list(answers)},
        "status": {"exportPermissionClaims": exported},
    }


SECRETS = {"group": "", "resource": "secrets", "verbs": ["list", "get"], "state": "Accepted"}
THINGS = {
    "group": "a.io",
    "resource": "things",
    "identityHash": "abc",
    "verbs": ["*"],
    "state": "Rejected",
}


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        ([SECRETS, THINGS], []),
        (
            [],
            [
                "Warning: claim for secrets exported but not specified on APIBinding b",
                "Add this claim to the APIBinding's Spec.",
                "Warning: claim for things.a.io:abc exported but not specified on APIBinding b",
                "Add this claim to the APIBinding's Spec.",
            ],
        ),
        (
            [SECRETS, {**THINGS, "state": ""}],
            [
                "Warning: claim for things.a.io:abc specified on APIBinding b but not accepted or "
                "rejected."
            ],
        ),
        (
            [{**SECRETS, "verbs": ["*"]}, THINGS],
            [
                "Warning: allowed verbs (*) on claim for secrets on APIBinding b do not match "
                "expected verbs (get,list)."
            ],
        ),
    ],
)
def test_open_claims_are_warned_of(
    answers: list[dict[str, Any]], lines: list[str], fake: Fake, cli: Cli
) -> None:
    fake.answers[f"GET /clusters/root:org/{BINDINGS}"] = {"items": [binding(*answers)]}
    result = cli("ws", "org")
    assert result.code == 0
    assert result.err.splitlines() == lines
    cli("ws", ":")
    assert cli("ws", "-").err.splitlines() == lines


@pytest.mark.parametrize(
    ("new", "old", "err"),
    [
        (FORBIDDEN, FORBIDDEN, ""),
        (None, {"items": []}, ""),
        ((500, status(500, "", "oops")), None, "error checking APIBindings: oops\n"),
    ],
)
def test_trouble_with_bindings_is_no_obstacle(
    new: Any, old: Any, err: str, fake: Fake, cli: Cli
) -> None:
    for version, answer in (("v1alpha2", new), ("v1alpha1", old)):
        if answer is not None:
            what = f"GET /clusters/root:org/{BINDINGS}".replace("v1alpha2", version)
            fake.answers[what] = answer
    result = cli("ws", "org")
    assert (result.code, result.err) == (0, err)


@pytest.mark.parametrize(
    ("old", "new", "err"),
    [
        ("token: secret", "tokenFile: none", "error checking APIBindings: unable to read"),
        ("127.0.0.1", "elsewhere.invalid", ""),
    ],
)
def test_the_way_back_is_never_barred(old: str, new: str, err: str, config: Path, cli: Cli) -> None:
    cli("ws", "org")
    before, mark, after = config.read_text().partition("- name: main\n")
    config.write_text(before + mark + after.replace(old, new, 1))
    result = cli("ws", "-", "--short")
    assert (result.code, result.out) == (0, "root\n")
    assert result.err.startswith(err)
    assert bool(result.err) == bool(err)


# ------------------------------------------------------------------------- create-context


def test_create_context(config: Path, cli: Cli) -> None:
    def said(*words: str) -> str:
        result = cli("ws", "create-context", *words)
        return result.out + result.err

    assert said() == 'Created context "root" and switched to it.\n'
    assert said("mine", "-w", "org") == 'Created context "mine" and switched to it.\n'
    text = 'context "mine" already exists in kubeconfig, use --overwrite to update it'
    assert said("mine") == f"Error: {text}\n"
    assert said("mine", "--overwrite") == 'Updated context "mine".\n'
    assert cli("ws", ".", "--context", "root", "--short").out == "root\n"
    assert cli("ws", ".", "--short").out == "root:org\n"
    assert "current-context: mine\n" in config.read_text()
