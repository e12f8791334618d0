"""kcp crd snapshot, and the function behind it."""

import io
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

import kcpfast
from tests.fix_cli import Cli

CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.a.io
  annotations: {gone: "yes"}
spec:
  group: a.io
  names: {kind: Thing, plural: things, shortNames: [th]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: &schema
        type: object
        properties:
          "y": {type: string, enum: ["on", "1e3", "0x1"], maximum: 1e3}
    subresources: {status: {}}
    additionalPrinterColumns: [{name: "Y", type: string, jsonPath: .y}]
    selectableFields: [{jsonPath: .y}]
  - name: v2
    served: false
    storage: false
    deprecated: true
    deprecationWarning: too new
    schema:
      openAPIV3Schema: *schema
status: {}
"""
BODY = {
    "type": "object",
    "properties": {"y": {"type": "string", "enum": ["on", "1e3", "0x1"], "maximum": 1000}},
}
SCHEMA: dict[str, Any] = {
    "apiVersion": "apis.kcp.io/v1alpha1",
    "kind": "APIResourceSchema",
    "metadata": {"name": "v1.things.a.io"},
    "spec": {
        "conversion": {"strategy": "None"},
        "group": "a.io",
        "names": {
            "kind": "Thing",
            "listKind": "ThingList",
            "plural": "things",
            "singular": "thing",
            "shortNames": ["th"],
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": BODY,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Y", "type": "string", "jsonPath": ".y"}],
                "selectableFields": [{"jsonPath": ".y"}],
            },
            {
                "name": "v2",
                "served": False,
                "storage": False,
                "schema": BODY,
                "subresources": {},
                "deprecated": True,
                "deprecationWarning": "too new",
            },
        ],
    },
}
LISTS = {
    "two documents": f"---\n{CRD}---\n---\n{CRD}",
    "a list": "kind: List\nitems:\n- " + CRD.replace("\n", "\n  "),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crd.yaml"
    path.write_text(CRD)
    return path


def snapshot(cli: Cli, *flags: str) -> tuple[int, str, str]:
    return cli("crd", "snapshot", *flags, program="kubectl-kcp")


def test_snapshot_prints_schemas(file: Path, cli: Cli) -> None:
    code, out, err = snapshot(cli, "--filename", str(file), "--prefix", "v1")
    assert (code, err) == (0, "")
    assert out.startswith("apiVersion: apis.kcp.io/v1alpha1\nkind: APIResourceSchema\n")
    assert out.endswith("\n\n---\n")
    assert list(yaml.safe_load_all(out)) == [SCHEMA, None]
    assert "'y':" in out
    assert "- '1e3'" in out


def test_snapshot_prints_json(file: Path, cli: Cli) -> None:
    _, out, _ = snapshot(cli, "-f", str(file), "--prefix", "v1", "-o", "json")
    assert out.endswith("}\n\n---\n")
    assert json.loads(out.removesuffix("---\n")) == SCHEMA


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS.keys())
def test_snapshot_of_many_from_a_pipe(text: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, _ = snapshot(cli, "-f", "-", "--prefix", "v1")
    assert code == 0
    found = [each for each in yaml.safe_load_all(out) if each]
    assert found == [SCHEMA] * (2 if text.startswith("---") else 1)


@pytest.mark.parametrize(
    ("change", "flags", "text"),
    [
        ("", "", "[--filename is required, --prefix is required]"),
        ("", "-f crd.yaml", "--prefix is required"),
        ("", "-f none --prefix v1", "error opening none: No such file or directory"),
        ("", "-f crd.yaml --prefix v1 -o xml", 'invalid value "xml" for --output; valid values'),
        ("", "-f crd.yaml --prefix v_1", "error converting CRD: metadata.name: Invalid value: "),
        ("v1\nkind=v1beta1\nkind", "-f crd.yaml --prefix v1", 'no kind "CustomResourceDefinition"'),
        ("Custom=Other", "-f crd.yaml --prefix v1", "unexpected type for CRD: OtherResource"),
        ("kind: Cust=a: [", "-f crd.yaml --prefix v1", "error reading the CRDs: "),
    ],
)
def test_snapshot_refuses(
    change: str, flags: str, text: str, file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _, new = change.partition("=")
    file.write_text(CRD.replace(old, new) if old else CRD)
    monkeypatch.chdir(file.parent)
    code, out, err = snapshot(cli, *flags.split())
    assert (code, out) == (1, "")
    assert err.startswith(f"Error: {text}")


# ------------------------------------------------------------------- the library's function

WEBHOOK = {"url": "https://h/convert", "caBundle": "Y2E="}


@pytest.mark.parametrize(
    ("conversion", "expected"),
    [
        ({"strategy": "None"}, {"strategy": "None"}),
        (
            {
                "strategy": "Webhook",
                "webhook": {"clientConfig": WEBHOOK, "conversionReviewVersions": ["v1"]},
            },
            {
                "strategy": "Webhook",
                "webhook": {"clientConfig": WEBHOOK, "conversionReviewVersions": ["v1"]},
            },
        ),
    ],
)
def test_conversion_is_taken_over(conversion: dict[str, Any], expected: dict[str, Any]) -> None:
    crd = yaml.safe_load(CRD)
    crd["spec"]["conversion"] = conversion
    before = deepcopy(crd)
    found = kcpfast.crd_to_api_resource_schema(crd, "v1")
    assert found["spec"]["conversion"] == expected
    assert crd == before


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ({"service": {"name": "a"}}, "webhooks that refer to services are not supported"),
        ({}, "webhooks URL must be set"),
    ],
)
def test_a_webhook_needs_a_url(client: dict[str, Any], text: str) -> None:
    crd = yaml.safe_load(CRD)
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"clientConfig": client}}
    with pytest.raises(ValueError, match=text):
        kcpfast.crd_to_api_resource_schema(crd, "v1")


@pytest.mark.parametrize(("name", "prefix"), [("x.core", ""), ("", "v1"), ("x.core", "V1")])
def test_the_name_must_be_one(name: str, prefix: str) -> None:
    with pytest.raises(ValueError, match=r"metadata\.name: Invalid value"):
        kcpfast.crd_to_api_resource_schema({"metadata": {"name": name}, "spec": {}}, prefix)


def test_the_core_group_is_empty() -> None:
    crd = {"metadata": {"name": "pods.core"}, "spec": {"group": "", "names": {"kind": "Pod"}}}
    found = kcpfast.crd_to_api_resource_schema(crd, "v1")
    assert found["metadata"]["name"] == "v1.pods.core"
    assert found["spec"]["group"] == ""


def test_other_attributes_are_missing_as_ever() -> None:
    with pytest.raises(AttributeError, match="module 'kcpfast' has no attribute 'nope'"):
        _ = kcpfast.nope


def test_import_of_the_package_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import kcpfast; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'kcpfast'}\n"


WORDS = [
    ("enum", "['!=', =, =~]", ["!=", "=", "=~"]),
    ("enum", "[0o17, 017, 0b101, 0x1F, 1_000, 1e3]", [15, 15, 5, 31, 1000, 1000]),
    ("enum", "[y, on, 'y', 12:30:45, 2020-01-01]", [True, True, "y", "12:30:45", "2020-01-01"]),
    ("default", "~", None),
]


@pytest.mark.parametrize(("field", "text", "value"), WORDS)
def test_words_of_yaml_are_kubectls(
    field: str, text: str, value: Any, cli: Cli, file: Path
) -> None:
    file.write_text(CRD.replace("maximum: 1e3", f"x: {{{field}: {text}}}"))
    code, out, _ = snapshot(cli, "-f", str(file), "--prefix", "v1", "-o", "json")
    assert code == 0
    schema = json.loads(out.partition("\n")[0])["spec"]["versions"][0]["schema"]
    assert schema["properties"]["y"]["x"] == {field: value}
