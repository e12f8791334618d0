"""kcp bind apiexport and kcp claims: what is created and changed, and what is said."""

from pathlib import Path
from typing import Any

import pytest

from kcpfast.cli.kcp.claims_get import aligned
from tests.fix_cli import Cli, Fake, status

GROUP = "/clusters/root/apis/apis.kcp.io"
EXPORTS = "/clusters/root:p/apis/apis.kcp.io"
SECRETS = {"group": "", "resource": "secrets", "verbs": ["get"]}
THINGS = {"group": "a.io", "resource": "things", "identityHash": "abc", "verbs": ["*"]}
EXPORT = {"spec": {"permissionClaims": [SECRETS, THINGS]}}
ALL = {"selector": {"matchAll": True}}
FORBIDDEN = (403, status(403, "Forbidden", "not you"))


@pytest.fixture(autouse=True)
def served(fake: Fake, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    versions = [{"version": "v1alpha2"}, {"version": "v1alpha1"}]
    fake.answers[f"GET {GROUP}"] = {"versions": versions}
    fake.answers[f"GET {EXPORTS}/v1alpha2/apiexports/e"] = EXPORT
    fake.answers[f"GET {EXPORTS}/v1alpha1/apiexports/e"] = EXPORT


def binding(phase: str = "Bound", version: str = "v1alpha2", name: str = "e") -> dict[str, Any]:
    return {
        "apiVersion": f"apis.kcp.io/{version}",
        "metadata": {"name": name},
        "spec": {},
        "status": {"phase": phase},
    }


def bind(fake: Fake, cli: Cli, *flags: str, version: str = "v1alpha2") -> dict[str, Any]:
    """Bind an export and return the spec of the binding that was asked for."""
    post = f"POST {GROUP}/{version}/apibindings"
    fake.answers[post] = (201, binding(version=version))
    result = cli("kcp", "bind", "apiexport", "root:p:e", *flags)
    assert (result.code, result.err) == (0, "")
    spec: dict[str, Any] = fake.bodies(post)[0]["spec"]
    return spec


def test_bind_says_what_it_does(fake: Fake, cli: Cli) -> None:
    post, get = f"POST {GROUP}/v1alpha2/apibindings", f"GET {GROUP}/v1alpha2/apibindings/mine"
    new = binding("Binding", name="mine")
    fake.answers |= {post: (201, new), get: [new, binding(name="mine")]}
    result = cli("bind", "apiexport", "root:p:e", "--name", "mine", program="kubectl-kcp")
    assert result.out == (
        "apibinding mine created. Waiting to successfully bind ...\nmine created and bound.\n"
    )
    assert fake.bodies(post) == [
        {
            "apiVersion": "apis.kcp.io/v1alpha2",
            "kind": "APIBinding",
            "metadata": {"name": "mine"},
            "spec": {"reference": {"export": {"path": "root:p", "name": "e"}}},
        }
    ]


@pytest.mark.parametrize(
    ("flags", "claims"),
    [
        (
            "--accept-all-permission-claims",
            [{**SECRETS, **ALL, "state": "Accepted"}, {**THINGS, **ALL, "state": "Accepted"}],
        ),
        (
            "--reject-all-permission-claims",
            [{**SECRETS, **ALL, "state": "Rejected"}, {**THINGS, **ALL, "state": "Rejected"}],
        ),
        (
            "--accept-permission-claim secrets.core --reject-permission-claim things.a.io",
            [{**SECRETS, **ALL, "state": "Accepted"}, {**THINGS, **ALL, "state": "Rejected"}],
        ),
        (
            "--accept-permission-claim pods.core,others.b.io",
            [
                {"group": "", "resource": "pods", "verbs": ["*"], **ALL, "state": "Accepted"},
                {"group": "b.io", "resource": "others", "verbs": ["*"], **ALL, "state": "Accepted"},
            ],
        ),
    ],
)
def test_bind_answers_claims(
    flags: str, claims: list[dict[str, Any]], fake: Fake, cli: Cli
) -> None:
    assert bind(fake, cli, *flags.split())["permissionClaims"] == claims


def test_bind_takes_the_old_version(fake: Fake, cli: Cli) -> None:
    fake.answers[f"GET {GROUP}"] = {"versions": [{"version": "v1alpha1"}]}
    spec = bind(fake, cli, "--accept-permission-claim", "secrets.core", version="v1alpha1")
    claim = {"group": "", "resource": "secrets", "all": True, "state": "Accepted"}
    assert spec["permissionClaims"] == [claim]


def test_bind_names_claims_without_seeing_the_export(fake: Fake, cli: Cli) -> None:
    fake.answers[f"GET {EXPORTS}/v1alpha2/apiexports/e"] = FORBIDDEN
    spec = bind(fake, cli, "--accept-permission-claim", "secrets.core")
    assert spec["permissionClaims"] == [{**SECRETS, **ALL, "verbs": ["*"], "state": "Accepted"}]
    result = cli("kcp", "bind", "apiexport", "root:p:e", "--accept-all-permission-claims")
    assert result == (1, "", 'Error: failed to get APIExport "e": not you\n')


def test_bind_gives_up(fake: Fake, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = binding("Binding")
    why = {"type": "InitialBindingCompleted", "status": "False", "reason": "NamingConflicts"}
    stuck["status"]["conditions"] = [{**why, "message": "taken"}]
    name = f"{GROUP}/v1alpha2/apibindings"
    fake.answers |= {f"POST {name}": (201, stuck), f"GET {name}/e": stuck}
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr("kcpfast.cli.client.bindings.time.monotonic", lambda: next(clock))
    result = cli("kcp", "bind", "apiexport", "root:p:e", "--timeout", "3s")
    assert result.code == 1
    assert result.err == "Error: could not bind e within 3 seconds (NamingConflicts: taken)\n"


BOTH = "cannot use both --accept-all-permission-claims and --reject-all-permission-claims"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "`root:ws:apiexport_object` reference to bind is required as an argument"),
        ("e", "fully qualified reference to workspace where APIExport exists is required"),
        ("Bad:e", "fully qualified reference to workspace where APIExport exists is required"),
        ("p:e --accept-all-permission-claims --reject-all-permission-claims", BOTH),
        (
            "p:e --accept-all-permission-claims --reject-permission-claim a.b",
            "cannot use --accept-all-permission-claims together with --reject-permission-claim",
        ),
        (
            "p:e --accept-permission-claim secrets",
            'invalid accepted permission claims: invalid permission claim "secrets"',
        ),
        (
            "p:e --accept-permission-claim a.b --reject-permission-claim a.b",
            "permission claim a.b is both accepted and rejected",
        ),
    ],
)
def test_bind_refuses(words: str, text: str, cli: Cli) -> None:
    result = cli("kcp", "bind", "apiexport", *words.split())
    assert result.code == 1
    assert result.err.startswith(f"Error: {text}")


def test_bind_tells_why_the_server_refuses(fake: Fake, cli: Cli) -> None:
    fake.answers[f"POST {GROUP}/v1alpha2/apibindings"] = FORBIDDEN
    result = cli("kcp", "bind", "apiexport", "root:p:e")
    assert result == (1, "", "Error: failed to create APIBinding: not you\n")
    del fake.answers[f"GET {GROUP}"]
    result = cli("kcp", "bind", "apiexport", "root:p:e")
    assert result.err.startswith("Error: service discovery failed: ")


# ------------------------------------------------------------------------------- claims


def claimed(*answers: dict[str, Any]) -> dict[str, Any]:
    found = binding(name="b")
    found["spec"]["permissionClaims"] = list(answers)
    found["status"]["exportPermissionClaims"] = [SECRETS, THINGS]
    return found


def test_claims_are_listed(fake: Fake, cli: Cli) -> None:
    found = claimed({**SECRETS, "state": "Accepted"}, {**THINGS, "state": "Rejected"})
    fake.answers[f"GET {GROUP}/v1alpha2/apibindings"] = {"items": [found, binding()]}
    fake.answers[f"GET {GROUP}/v1alpha2/apibindings/b"] = found
    table = (
        "APIBINDING   GROUP-RESOURCE   VERBS   STATUS\n"
        "b            secrets          get     Accepted\n"
        "b            things.a.io      *       Rejected\n"
    )
    assert cli("kcp", "claims", "get", "apibinding") == (0, table, "")
    assert cli("claims", "get", "apibinding", "b", program="kubectl-kcp").out == table


def test_claims_of_the_old_version_have_no_verbs(fake: Fake, cli: Cli) -> None:
    fake.answers[f"GET {GROUP}"] = {"versions": [{"version": "v1alpha1"}]}
    found = claimed({"resource": "secrets", "all": True, "state": "Accepted"})
    fake.answers[f"GET {GROUP}/v1alpha1/apibindings"] = {"items": [found]}
    lines = cli("kcp", "claims", "get", "apibinding").out.splitlines()
    assert [line.split() for line in lines] == [
        ["APIBINDING", "GROUP-RESOURCE", "STATUS"],
        ["b", "secrets", "Accepted"],
    ]


def test_a_missing_binding_is_named(cli: Cli) -> None:
    result = cli("kcp", "claims", "get", "apibinding", "x")
    assert result.code == 1
    assert result.err.startswith("Error: error finding APIBinding: ")


@pytest.mark.parametrize(
    ("verb", "flags", "states", "said"),
    [
        ("accept", "--resource secrets", {"secrets": "Accepted", "things": None}, "secrets"),
        ("reject", "--resource secrets.core", {"secrets": "Rejected", "things": None}, "secrets"),
        ("accept", "--resource things.a.io", {"secrets": "", "things": "Accepted"}, "things.a.io"),
        ("reject", "--identity-hash abc", {"secrets": "", "things": "Rejected"}, "things.a.io"),
    ],
)
def test_claims_are_answered(
    verb: str, flags: str, states: dict[str, str | None], said: str, fake: Fake, cli: Cli
) -> None:
    path = f"{GROUP}/v1alpha2/apibindings/b"
    fake.answers[f"GET {path}"] = claimed({**SECRETS, "state": ""})
    conflict = (409, status(409, "Conflict", "changed meanwhile"))
    fake.answers[f"PUT {path}"] = [conflict, {}]
    result = cli("kcp", "claims", verb, "b", *flags.split())
    assert result == (0, f'claim "{said}" on APIBinding "b" is {verb}ed\n', "")
    sent = {
        each["resource"]: each
        for each in fake.bodies(f"PUT {path}")[-1]["spec"]["permissionClaims"]
    }
    assert {name: sent.get(name, {}).get("state") for name in states} == states
    if states["things"]:
        assert sent["things"] == {**THINGS, **ALL, "state": states["things"]}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "apibinding name is required"),
        ("b", "--resource or --identity-hash is required"),
        ("b --resource pods", 'claim for "pods" not found on APIBinding "b"'),
        ("b --resource things.a.io --identity-hash x", 'claim for "things.a.io" not found'),
    ],
)
def test_claims_refuse(words: str, text: str, fake: Fake, cli: Cli) -> None:
    fake.answers[f"GET {GROUP}/v1alpha2/apibindings/b"] = claimed()
    result = cli("kcp", "claims", "accept", *words.split())
    assert result.code == 1
    assert result.err.startswith(f"Error: {text}")


def test_narrow_columns_have_kubectls_width() -> None:
    assert aligned([["A", "B"], ["ab", "c"]]) == ["A     B", "ab    c"]
