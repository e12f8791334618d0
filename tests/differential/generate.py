"""Out of a seed comes a script: an object is made, changed and read in all ways, and deleted."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import yaml

from kcpfast.resources.builtin import BUILTIN, definitions
from tests.differential import custom
from tests.differential.nearly import spoil
from tests.differential.script import (
    APPLY,
    JSON,
    MERGE,
    PATCH,
    PROTOBUF,
    STRATEGIC,
    YAML,
    Json,
    Script,
    Step,
)
from tests.differential.sides import CRDS
from tests.fuzz.choices import Choices
from tests.fuzz.grammar import built
from tests.fuzz.sample import Sample
from tests.fuzz.samples import SAMPLES
from tests.fuzz.values import Schema

KINDS = tuple(
    each
    for each in SAMPLES
    if "kcp.io" not in each.base and "example.com" not in each.base and each.name == "{n}"
)
_SPOILED_PERCENT = 50
_AS = "{};as={};v=v1;g=meta.k8s.io"
_ACCEPTS = (
    JSON,
    JSON,
    _AS.format(JSON, "Table"),
    _AS.format(JSON, "PartialObjectMetadata"),
)
_LISTS = (JSON, _AS.format(JSON, "Table"), _AS.format(JSON, "PartialObjectMetadataList"))
_VALIDATIONS = ("", "fieldValidation=Strict", "fieldValidation=Warn", "fieldValidation=Ignore")
_DELETES: tuple[Json, ...] = (
    {"propagationPolicy": "Background"},
    {"propagationPolicy": "Foreground"},
    {"propagationPolicy": "Orphan", "orphanDependents": True},
    {"preconditions": {"resourceVersion": "{rv}"}},
    {"preconditions": {"uid": "other"}},
    {"gracePeriodSeconds": -1},
    {"dryRun": ["All"]},
    {"dryRun": ["Some"]},
)
_PATCHES: tuple[Any, ...] = (
    {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
    {"op": "replace", "path": "/metadata/labels/a", "value": "c"},
    {"op": "remove", "path": "/metadata/labels/a"},
    {"op": "test", "path": "/metadata/name", "value": "{id}"},
    {"op": "test", "path": "/metadata/name", "value": "other"},
    {"op": "copy", "from": "/metadata/name", "path": "/metadata/annotations"},
    {"op": "move", "from": "/metadata/labels", "path": "/metadata/annotations"},
    {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]},
    {"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/b"},
    {"op": "remove", "path": "/metadata/finalizers"},
    {"op": "remove", "path": "/nothing"},
    {"op": "add", "path": "/unknown", "value": None},
    {"op": "add", "path": "spec", "value": 1},
    {"op": "sing", "path": "/spec"},
    {"path": "/spec"},
    {"op": "replace", "path": "/kind", "value": "Other"},
)


def script(seed: int) -> Script:
    """Return the script of a seed."""
    choices = Choices(Random(seed).randbytes(6000))
    if choices.chance(25):
        return _of_custom(seed, choices)
    sample = choices.pick(KINDS)
    return _Maker(sample, choices).script(seed)


def _of_custom(seed: int, choices: Choices) -> Script:
    leaves = custom.fields(choices)
    crd = custom.definition(leaves, choices)
    sample = Sample("/apis/{id}.example.com/v1", "{id}s", "{Id}", {}, True)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    maker = _Maker(sample, choices, schema, leaves)
    inner = maker.script(seed)
    made = Step("POST", CRDS, JSON, _json(crd))
    gone = Step("DELETE", f"{CRDS}/{crd['metadata']['name']}")
    return Script(inner.name, "custom", (made, *inner.steps, gone))


class _Maker:
    """Makes requests to one resource."""

    def __init__(
        self,
        sample: Sample,
        choices: Choices,
        schema: Schema | None = None,
        leaves: list[custom.Leaf] | None = None,
    ) -> None:
        self._sample, self._choices, self._leaves = sample, choices, leaves
        self._schema = _builtin(sample) if schema is None else schema
        middle = "/namespaces/default/" if sample.namespaced else "/"
        self._collection = f"{sample.base}{middle}{sample.plural}"
        self._one = self._collection + "/{id}"

    def script(self, seed: int) -> Script:
        """Return a script: a create, changes and reads, a deletion."""
        steps = [self._create()]
        if self._sample.stored:
            ways = (self._patch, self._patch, self._apply, self._apply, self._update, self._read)
            count = 2 + self._choices.number(5)
            steps += [self._choices.pick(ways)() for _ in range(count)]
            steps += self._deletions()
        return Script(f"{seed}", self._sample.plural, tuple(steps))

    def _object(self) -> Json:
        if self._leaves is not None:
            obj = custom.instance(self._leaves, self._choices, "{id}")
        else:
            obj = built(self._sample, "{id}")
        if self._choices.chance(_SPOILED_PERCENT):
            for _ in range(1 + self._choices.number(2)):
                spoil(obj, self._schema, self._choices)
        return obj

    def _query(self, *more: str) -> str:
        parts = [each for each in (self._choices.pick(_VALIDATIONS), *more) if each]
        if self._choices.chance(8):
            parts.append("dryRun=All")
        return "?" + "&".join(parts) if parts else ""

    def _create(self) -> Step:
        media, body = self._encoded(self._object())
        return Step("POST", self._collection + self._query(), media, body)

    def _update(self) -> Step:
        obj = self._object()
        if self._choices.chance(60) and isinstance(obj.get("metadata"), dict):
            obj["metadata"].setdefault("resourceVersion", "{rv}")
        media, body = self._encoded(obj)
        return Step("PUT", self._at() + self._query(), media, body)

    def _at(self) -> str:
        below = self._sample.subresources or (("status",) if self._leaves is not None else ())
        chosen = below and self._choices.chance(15)
        return f"{self._one}/{self._choices.pick(below)}" if chosen else self._one

    def _patch(self) -> Step:
        if self._choices.chance(30):
            count = 1 + self._choices.number(3)
            operations = [self._choices.pick(_PATCHES) for _ in range(count)]
            return Step("PATCH", self._at() + self._query(), PATCH, _json(operations))
        obj = self._object()
        for key in ("apiVersion", "kind", "metadata"):
            if self._choices.chance(70):
                obj.pop(key, None)
        media = STRATEGIC if self._leaves is None and self._choices.chance(50) else MERGE
        return Step("PATCH", self._at() + self._query(), media, self._text(obj))

    def _apply(self) -> Step:
        manager = "fieldManager=" + self._choices.pick(("me", "you"))
        force = "force=true" if self._choices.chance(40) else ""
        obj = self._object()
        body = _yaml(obj) if self._choices.chance(50) else self._text(obj)
        return Step("PATCH", self._at() + self._query(manager, force), APPLY, body)

    def _read(self) -> Step:
        if self._choices.chance(50):
            return Step("GET", self._one, accept=self._choices.pick(_ACCEPTS))
        path = self._collection + "?fieldSelector=metadata.name%3D{id}"
        return Step("GET", path, accept=self._choices.pick(_LISTS))

    def _deletions(self) -> tuple[Step, ...]:
        """Delete with options, then for good."""
        options = self._choices.pick(_DELETES)
        unbound = _json({"metadata": {"finalizers": None}})
        return (
            Step("DELETE", self._one, JSON, _json(options)),
            Step("PATCH", self._one, MERGE, unbound),
            Step("DELETE", self._one),
            Step("GET", self._one),
        )

    def _encoded(self, obj: Json) -> tuple[str, bytes]:
        way = self._choices.number(10)
        if way < 2:
            return YAML, _yaml(obj)
        if way == 2 and self._leaves is None:
            return PROTOBUF, _json(obj)
        return JSON, self._text(obj)

    def _text(self, obj: Json) -> bytes:
        """Return JSON; now and then a member stands in it twice."""
        text = json.dumps(obj)
        if obj and self._choices.chance(6):
            name = self._choices.pick(sorted(obj))
            text = f"{{{json.dumps(name)}: {json.dumps(obj[name])}, {text[1:]}"
        return text.encode()


def _builtin(sample: Sample) -> Schema:
    group = sample.base.removeprefix("/apis/").partition("/")[0].removeprefix("/api")
    for each in BUILTIN:
        if (each.group, each.plural) == (group, sample.plural):
            found: Schema = definitions()[str(each.schema)]
            return found
    return {}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, allow_unicode=True).encode()
