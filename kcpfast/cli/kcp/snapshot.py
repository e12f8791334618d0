"""kcp crd snapshot: turns CRDs, from a file or a pipe, into APIResourceSchemas."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from kcpfast.cli.arguments import TEXT, Command, CommandLine, Flag
from kcpfast.cli.failure import Failure
from kcpfast.meta.yamltext.reader import read_all
from kcpfast.meta.yamltext.writer import write
from kcpfast.resources.snapshot import crd_to_api_resource_schema

COMMAND = Command(
    "-f FILE --prefix PREFIX",
    "Turn CustomResourceDefinitions into APIResourceSchemas.",
    (
        Flag("filename", "File with the CRDs, - for standard input", TEXT, "f"),
        Flag("output", "Output format", TEXT, "o", "yaml", choices=("json", "yaml")),
        Flag("prefix", "What the schemas' names begin with, before RESOURCE.GROUP"),
    ),
    (
        ("convert CRDs in a file", "-f crd.yaml --prefix v1 > schema.yaml"),
        ("convert what `kubectl get crd NAME -o yaml` prints", "-f - --prefix v1"),
    ),
    connects=False,
)
_KIND = "CustomResourceDefinition"


def run(call: CommandLine) -> int:
    """Print one schema for each CRD; Failure if one of them cannot be converted."""
    name, prefix, form = call.text("filename"), call.text("prefix"), call.text("output")
    wrong = [f"--{flag} is required" for flag in ("filename", "prefix") if not call.text(flag)]
    if form not in ("json", "yaml"):
        wrong.append(f'invalid value "{form}" for --output; valid values are json, yaml')
    if call.words:
        wrong.append(f'unexpected argument "{call.words[0]}"')
    if wrong:
        raise Failure(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    for crd in _definitions(_read(name)):
        try:
            schema = crd_to_api_resource_schema(crd, prefix)
        except ValueError as error:
            raise Failure(f"error converting CRD: {error}") from None
        if form == "json":
            text = json.dumps(schema, ensure_ascii=False, separators=(",", ":")) + "\n"
        else:
            text = write(schema).decode()
        sys.stdout.write(f"{text}\n---\n")
    return 0


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError as error:
        raise Failure(f"error opening {name}: {error.strerror}") from None


def _definitions(text: bytes) -> Iterator[dict[str, Any]]:
    """Return the CRDs of a manifest, those in lists included; Failure if anything else is in it."""
    try:
        documents = read_all(text)
    except ValueError as error:
        raise Failure(f"error reading the CRDs: {error}") from None
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise Failure("error reading the CRDs: Object 'Kind' is missing")
        listed = document.get("kind") in ("List", f"{_KIND}List")
        yield from _checked(document.get("items") or [] if listed else [document])


def _checked(items: list[Any]) -> Iterator[dict[str, Any]]:
    for item in items:
        kind, version = str(item.get("kind") or ""), str(item.get("apiVersion") or "")
        if kind != _KIND:
            raise Failure(f"unexpected type for CRD: {kind or 'no kind'}")
        if version != "apiextensions.k8s.io/v1":
            raise Failure(f'no kind "{kind}" is registered for version "{version}"')
        yield item
