"""What requests look like: out of bytes comes a request, valid or spoiled in a few places."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from kcpfast.resources.protobuf import encode
from tests.fuzz.choices import Choices
from tests.fuzz.hostile import ACCEPTS, QUERY, TEXTS
from tests.fuzz.sample import CORE, Json, Sample
from tests.fuzz.samples import SAMPLES
from tests.fuzz.values import Schema, hostile, mutate

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
NAMES = ("a", "b", "c", "d")
# One request in so many has something wrong in it; some of those are answered well all the same.
SPOILED_PERCENT = 35


class Sent(NamedTuple):
    """A request as it is sent, and whether anything was spoiled in it."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes
    spoiled: bool


class Places(NamedTuple):
    """Where requests go and who may send them: paths of clusters, views by service, tokens."""

    clusters: tuple[str, ...]
    views: tuple[str, ...]
    tokens: tuple[str, ...]
    schemas: Mapping[tuple[str, str], Schema]


def request(choices: Choices, where: Places) -> Sent:
    """Return the request that the bytes stand for."""
    spoiled = choices.chance(SPOILED_PERCENT)
    sample = choices.pick(SAMPLES)
    kind = choices.number(16)
    if kind == 15:
        made = _of_no_object(choices)
    elif kind == 13 and spoiled:
        made = _raw(sample, choices)
    elif kind == 14:
        made = _to_subresource(sample, choices, where, spoiled=spoiled)
    elif not sample.stored or (kind < 5 and sample.name != "cluster"):
        made = _create(sample, choices, where, spoiled=spoiled)
    elif kind < 8:
        made = _patch(sample, choices, where, spoiled=spoiled)
    elif kind < 10:
        made = _update(sample, choices, where, spoiled=spoiled)
    elif kind < 11:
        made = _delete(sample, choices, where, spoiled=spoiled)
    else:
        made = _read(sample, choices, spoiled=spoiled)
    return _addressed(made, choices, where, spoiled=spoiled)


class _Made(NamedTuple):
    method: str
    path: str
    media: str = ""
    body: bytes = b""
    query: tuple[tuple[str, str], ...] = ()


def _addressed(made: _Made, choices: Choices, where: Places, *, spoiled: bool) -> Sent:
    """Complete a request by where it goes, who sends it and in which form answers are wanted."""
    at = choices.pick(where.views) if choices.chance(4) else _cluster(made.path, choices, where)
    accept = choices.pick(ACCEPTS[:7]) if choices.chance(30) else JSON
    token = where.tokens[0] if choices.chance(25) else where.tokens[1]
    path, query = made.path, list(made.query)
    if spoiled and choices.chance(15):
        accept = choices.pick(ACCEPTS)
    if spoiled and choices.chance(15):
        token = choices.pick(where.tokens) if choices.chance(50) else jwt(choices)
    if spoiled and choices.chance(25):
        name = choices.pick(sorted(QUERY))
        query.append((name, choices.pick(QUERY[name])))
    if spoiled and choices.chance(8):
        parts = path.split("/")
        parts[choices.number(len(parts))] = quote(choices.pick(TEXTS), errors="surrogatepass")
        path = "/".join(parts)
    headers = {b"accept": accept.encode()}
    if token:
        headers[b"authorization"] = b"Bearer " + token.encode("utf-8", "replace")
    if made.media:
        headers[b"content-type"] = made.media.encode()
    if spoiled and choices.chance(10):
        headers |= _strange_headers(choices)
    text = "&".join(f"{key}={quote(value, safe='', errors='replace')}" for key, value in query)
    body = made.body
    if spoiled and body and choices.chance(10):
        at_byte = choices.number(len(body))
        body = (
            body[:at_byte] + choices.take(choices.number(4)) + body[at_byte + choices.number(3) :]
        )
    return Sent(made.method, at + path, text, headers, body, spoiled)


def _cluster(path: str, choices: Choices, where: Places) -> str:
    """Return a cluster that serves the resource in a path."""
    found = [at for part, at in zip(ONLY_IN, where.clusters, strict=True) if part in path]
    return found[0] if found else choices.pick(where.clusters)


# What is served in the first cluster of the places, in the second, in the third.
ONLY_IN = ("/x.example.com/", "/g.example.com/", "/core.kcp.io/v1alpha1/shards")


def _strange_headers(choices: Choices) -> dict[bytes, bytes]:
    name = choices.pick(
        (
            b"impersonate-user",
            b"impersonate-group",
            b"impersonate-uid",
            b"impersonate-extra-a",
            b"impersonate-extra-authorization.kcp.io%2fwarrant",
            b"impersonate-extra-authentication.kcp.io%2fscopes",
            b"user-agent",
            b"audit-id",
            b"accept-encoding",
            b"content-type",
            b"authorization",
        )
    )
    value = choices.pick(TEXTS) if choices.chance(70) else "gzip"
    found = {name: value.encode("utf-8", "surrogatepass").replace(b"\r", b"").replace(b"\0", b"")}
    if name != b"impersonate-user" and choices.chance(60):
        found[b"impersonate-user"] = b"somebody"
    return found


def jwt(choices: Choices) -> str:
    """Return something like a JSON Web Token."""
    claims: Any = {
        "iss": "https://kcp.default.svc",
        "aud": ["https://kcp.default.svc"],
        "exp": 2**33,
        "sub": "system:serviceaccount:default:default",
        "kubernetes.io": {
            "clusterName": "root",
            "namespace": "default",
            "serviceaccount": {"name": "default", "uid": "1"},
        },
    }
    head: Any = {"alg": "RS256", "kid": "1", "typ": "JWT"}
    for _ in range(choices.number(3)):
        mutate(choices.pick((claims, head)), {}, choices)
    if choices.chance(20):
        claims = hostile(choices)
    return ".".join((_segment(head), _segment(claims), _segment("signature")))


def _segment(value: Any) -> str:
    return urlsafe_b64encode(_json(value)).rstrip(b"=").decode()


# ------------------------------------------------------------------------- objects


def built(sample: Sample, name: str) -> Json:
    """Return a sample's object with a name."""
    group_version = sample.base.removeprefix("/apis/").removeprefix("/api/")
    text = json.dumps(sample.body).replace("{n}", name)
    obj: Json = {"apiVersion": group_version, "kind": sample.kind, **json.loads(text)}
    if sample.stored:
        obj["metadata"] = {"name": sample.name.replace("{n}", name), **obj.get("metadata", {})}
    return obj


def _collection(sample: Sample) -> str:
    middle = "/namespaces/default/" if sample.namespaced else "/"
    return f"{sample.base}{middle}{sample.plural}"


def _schema(sample: Sample, where: Places) -> Schema:
    return where.schemas.get((sample.base, sample.plural), {})


def _json(value: Any) -> bytes:
    """Return JSON; a lone half of a character is written as its escape, or as its bytes."""
    return json.dumps(value).encode()


def _encoded(obj: Any, choices: Choices, *, builtin: bool) -> tuple[str, bytes]:
    way = choices.number(12)
    if way == 10:
        try:
            return YAML, yaml.safe_dump(obj).encode("utf-8", "surrogatepass")
        except (yaml.YAMLError, RecursionError):
            return YAML, _json(obj)
    if way == 11 and builtin:
        try:
            return PROTOBUF, encode(obj)
        except Exception:  # what cannot be encoded is sent as JSON
            return JSON, _json(obj)
    if way == 9:
        return JSON, json.dumps(obj, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return JSON, _json(obj)


def _spoil(obj: Json, sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> None:
    for _ in range(1 + choices.number(3) if spoiled else 0):
        mutate(obj, _schema(sample, where), choices)


def _is_builtin(sample: Sample) -> bool:
    return "kcp.io" not in sample.base and "example.com" not in sample.base


def _create(sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> _Made:
    name = f"{choices.pick(NAMES)}{choices.number(1 << 16):x}"
    obj = built(sample, name)
    _spoil(obj, sample, choices, where, spoiled=spoiled)
    media, body = _encoded(obj, choices, builtin=_is_builtin(sample))
    dry = (("dryRun", "All"),) if choices.chance(10) else ()
    return _Made("POST", _collection(sample), media, body, dry)


def _named(sample: Sample, choices: Choices) -> tuple[str, Json]:
    obj = built(sample, choices.pick(NAMES))
    name = obj["metadata"]["name"] if sample.stored else "a"
    return f"{_collection(sample)}/{quote(str(name))}", obj


def _update(sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> _Made:
    path, obj = _named(sample, choices)
    if not _is_builtin(sample):
        obj["metadata"]["resourceVersion"] = "0"
    _spoil(obj, sample, choices, where, spoiled=spoiled)
    media, body = _encoded(obj, choices, builtin=_is_builtin(sample))
    return _Made("PUT", path, media, body)


def _patch(sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> _Made:
    path, obj = _named(sample, choices)
    way = choices.number(8)
    if sample.subresources and choices.chance(20):
        path += "/" + choices.pick(sample.subresources)
    if way < 3:
        _spoil(obj, sample, choices, where, spoiled=spoiled)
        query = (("fieldManager", choices.pick(("me", "you"))), ("force", "true"))
        return _Made("PATCH", path, APPLY, _json(obj), query)
    if way < 5:
        media = STRATEGIC if _is_builtin(sample) and way == 4 else MERGE
        patch = _merge_patch(obj, _schema(sample, where), choices, media, spoiled=spoiled)
        return _Made("PATCH", path, media, _json(patch))
    return _Made("PATCH", path, PATCH, _json(_steps(choices, spoiled=spoiled)))


DIRECTIVES = (
    "$patch",
    "$retainKeys",
    "$setElementOrder/subjects",
    "$deleteFromPrimitiveList/finalizers",
)
STEPS = (
    *("metadata", "spec", "status", "labels", "0", "-", "name", "annotations", "rules", ""),
    *("ownerReferences", "finalizers", "managedFields", "a~1b", "~", "٣", "01"),
)


def _merge_patch(obj: Json, schema: Schema, choices: Choices, media: str, *, spoiled: bool) -> Json:
    patch: Json = {"metadata": {"labels": {"a": choices.pick(("b", "c"))}}}
    if not spoiled:
        return patch
    if choices.chance(70):
        patch = obj
    mutate(patch, schema, choices)
    if media == STRATEGIC and choices.chance(50):
        patch[choices.pick(DIRECTIVES)] = hostile(choices)
    return patch


def _steps(choices: Choices, *, spoiled: bool) -> Any:
    """Return a JSON patch."""
    steps: list[Any] = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    if not spoiled:
        return steps
    parts = [choices.pick(STEPS) for _ in range(1 + choices.number(4))]
    op = choices.pick(("add", "replace", "remove", "test", "copy", "move", "a"))
    step = {"op": op, "path": "/" + "/".join(parts), "from": "/metadata", "value": hostile(choices)}
    steps.append(step)
    if choices.chance(30):
        mutate(steps, {}, choices)
    return steps


def _delete(sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> _Made:
    path, _ = _named(sample, choices)
    if choices.chance(5):
        path = _collection(sample)
    options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if choices.chance(50):
        options["propagationPolicy"] = choices.pick(("Background", "Foreground", "Orphan"))
    if spoiled:
        options[
            choices.pick(
                (
                    "preconditions",
                    "dryRun",
                    "orphanDependents",
                    "gracePeriodSeconds",
                    "apiVersion",
                    "propagationPolicy",
                    "kind",
                    "ignoreStoreReadErrorWithClusterBreakingPotential",
                )
            )
        ] = hostile(choices)
        mutate(options, {}, choices)
    return _Made("DELETE", path, JSON, _json(options) if choices.chance(60) else b"")


def _read(sample: Sample, choices: Choices, *, spoiled: bool) -> _Made:
    path = _collection(sample) if choices.chance(60) else _named(sample, choices)[0]
    names = [name for name in sorted(QUERY) if spoiled or choices.chance(0)]
    query = []
    for _ in range(choices.number(4)):
        name = choices.pick(names or ["labelSelector", "fieldSelector", "limit", "watch"])
        values = QUERY[name] if spoiled else QUERY[name][:2]
        query.append((name, choices.pick(values)))
    return _Made("GET", path, query=tuple(query))


def _to_subresource(sample: Sample, choices: Choices, where: Places, *, spoiled: bool) -> _Made:
    """TokenRequest, scale, status, finalize, approval."""
    if choices.chance(40):
        obj: Json = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "spec": {"audiences": ["a"], "expirationSeconds": 3600, "boundObjectRef": None},
        }
        if spoiled:
            obj["spec"]["boundObjectRef"] = {"kind": "Secret", "apiVersion": "v1", "name": "a"}
            mutate(obj, {}, choices)
        path = f"{CORE}/namespaces/default/serviceaccounts/default/token"
        return _Made("POST", path, *_encoded(obj, choices, builtin=True))
    if choices.chance(30):
        scale: Json = {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {"name": "a"},
            "spec": {"replicas": 2},
        }
        if spoiled:
            mutate(scale, {}, choices)
        path = "/apis/g.example.com/v1/namespaces/default/gadgets/a/scale"
        return _Made(
            choices.pick(("PUT", "PATCH")),
            path,
            choices.pick((JSON, MERGE, PATCH, APPLY)),
            _json(scale),
            (("fieldManager", "me"),),
        )
    if not sample.subresources and not spoiled:
        return _read(sample, choices, spoiled=False)
    path, obj = _named(sample, choices)
    part = choices.pick(sample.subresources or ("status",))
    if not _is_builtin(sample):
        obj["metadata"]["resourceVersion"] = "0"
    obj["status"] = choices.pick(({}, {"phase": "Ready"}, {"conditions": []}, {"size": 1}))
    _spoil(obj, sample, choices, where, spoiled=spoiled)
    return _Made("PUT", f"{path}/{part}", *_encoded(obj, choices, builtin=_is_builtin(sample)))


CEL = (
    *("self", "object", "oldObject", "request", "params", "variables", ".spec", ".size", ".name"),
    *(" == ", " + ", " in ", " && ", "!", "?", ":", "(", ")", "[", "]", "{", "}", ",", "1", "1.5"),
    *("'a'", "b'a'", "null", "true", "has(", "size(", ".all(x, ", ".map(x, ", ".exists(x, ", "x"),
    *(".matches(", "'[a-'", "timestamp(", "duration(", "quantity(", "'1h'", "string(", "int("),
    *("cidr(", "ip(", "url(", ".format([", "'%s'", "optional.of(", ".orValue(", "cel.bind(y, "),
    *("9" * 30, "-", "/", "%", "0", "dyn(", "type(", ".split(','", ".join()", "'٣'", "\x00"),
)
MEDIA = (JSON, YAML, PROTOBUF, MERGE, PATCH, STRATEGIC, APPLY)


def cel(choices: Choices) -> str:
    """Return an expression, or something like one."""
    return "".join(choices.pick(CEL) for _ in range(1 + choices.number(14)))


def _raw(sample: Sample, choices: Choices) -> _Made:
    """Bytes as they come: in a body of any kind, in a selector, in an expression."""
    way = choices.number(4)
    if way == 0:
        kind = choices.pick(("labelSelector", "fieldSelector", "continue"))
        text = choices.take(choices.number(40)).decode("utf-8", "replace")
        return _Made("GET", _collection(sample), query=((kind, text),))
    if way == 1:
        body = choices.take(choices.number(100))
        if choices.chance(50):
            body = b"k8s\0" + body
        path, method = choices.pick(
            ((_collection(sample), "POST"), (_named(sample, choices)[0], "PATCH"))
        )
        return _Made(method, path, choices.pick(MEDIA), body, (("fieldManager", "me"),))
    name = f"e{choices.number(1 << 16):x}"
    policy, crd = (next(each for each in SAMPLES if each.kind == kind) for kind in RULED_KINDS)
    ruled = policy if way == 2 else crd
    obj = built(ruled, name)
    if ruled is policy:
        obj["spec"]["validations"][0]["expression"] = cel(choices)
        obj["spec"]["variables"][0]["expression"] = cel(choices)
        obj["spec"]["matchConditions"] = [{"name": "c", "expression": cel(choices)}]
    else:
        spec = obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["x-kubernetes-validations"] = [
            {"rule": cel(choices), "messageExpression": cel(choices)}
        ]
    return _Made("POST", _collection(ruled), JSON, _json(obj))


RULED_KINDS = ("ValidatingAdmissionPolicy", "CustomResourceDefinition")


def _of_no_object(choices: Choices) -> _Made:
    paths = (
        *("/", "/api", "/apis", "/api/v1", "/apis/apis.kcp.io", "/apis/apis.kcp.io/v1alpha2"),
        *("/version", "/healthz", "/livez", "/readyz?verbose", "/metrics", "/openapi/v2"),
        *("/openapi/v3", "/openapi/v3/api/v1", "/openapi/v3/apis/f.example.com/v1", "/debug"),
        *("/.well-known/openid-configuration", "/openid/v1/jwks", "/apis/x.example.com/v1"),
    )
    return _Made(choices.pick(("GET", "GET", "GET", "HEAD", "POST")), choices.pick(paths))
