"""Questions about rights: access reviews must tell what the same request would come to."""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple

from kcpfast.meta.user import Attributes, User
from kcpfast.transport.messages import Response
from tests.doors.asking import METHODS, Asker, Client, Door, Twin
from tests.doors.world import KINDS, World
from tests.fix_inside import Json
from tests.models.persons import ACCOUNT, AUTHENTICATED, HOME, SCOPES, WARRANT, persons
from tests.models.rights import Denied

GROUP = "authorization.k8s.io"
SELF, SUBJECT, RULES = "selfsubjectaccessreviews", "subjectaccessreviews", "selfsubjectrulesreviews"
KIND = {
    SELF: "SelfSubjectAccessReview",
    SUBJECT: "SubjectAccessReview",
    RULES: "SelfSubjectRulesReview",
}
OTHERS = (
    Attributes("access", path="/"),
    Attributes("get", path="/metrics"),
    Attributes("bind", "apis.kcp.io", "*", "apiexports", name="lights"),
    Attributes("get", "apis.kcp.io", "v1alpha1", "apiexports", "content", "", "lights"),
    Attributes("update", "apis.kcp.io", "v1alpha1", "apibindings", "status", "", "lights"),
    Attributes("create", "tenancy.kcp.io", "v1alpha1", "workspaces"),
    Attributes("update", "tenancy.kcp.io", "v1alpha1", "workspaces", "status"),
    Attributes("impersonate", resource="users", name="alice"),
)


class Review(NamedTuple):
    """Who asks, in which workspace, whether somebody (None: they themselves) may do something."""

    who: Asker
    door: Door
    plural: str
    subject: User | None
    ask: Attributes
    deep: bool


def review(of: Random, who: Asker, door: Door, world: World) -> Review:
    """Return any review."""
    plural = of.choice((SELF, SUBJECT, SUBJECT, RULES))
    subject = somebody(of, world) if plural == SUBJECT else None
    return Review(who, door._replace(export=""), plural, subject, anything(of), of.random() < 0.2)


def anything(of: Random) -> Attributes:
    """Return something that one may want to do."""
    if of.random() < 0.3:
        return of.choice(OTHERS)
    kind = of.choice(KINDS)
    verb = of.choice(("*", *(each for each in METHODS if each != "apply")))
    part = of.choice(("", *kind.parts))
    namespace = of.choice(("", "default", "second")) if kind.namespaced else ""
    resource, group = kind.resource, kind.group
    if of.random() < 0.1:
        resource = "*"
    name = of.choice(("", "", f"mk{of.randrange(200)}x"))
    return Attributes(verb, group, of.choice(("", "v1", "*")), resource, part, namespace, name)


def somebody(of: Random, world: World, depth: int = 2) -> User:
    """Return anybody, with scopes, homes and warrants."""
    name = of.choice(("alice", "bob", "eve", f"{ACCOUNT}default:robot", "system:anonymous"))
    groups = of.sample(
        ("team-a", "team-b", "system:kcp:admin", "system:masters"), of.choice((0, 1))
    )
    groups += [AUTHENTICATED] if of.random() < 0.7 else []
    ids = list(world.clusters.values())
    extra = []
    if of.random() < 0.3:
        scopes = [_scope(of, ids) for _ in range(of.choice((1, 2)))]
        extra.append((SCOPES, tuple(scopes)))
    if of.random() < (0.7 if name.startswith(ACCOUNT) else 0.1):
        extra.append((HOME, tuple(of.sample(ids, of.choice((1, 1, 2))))))
    if depth and of.random() < 0.4:
        extra.append((WARRANT, (_warrant(somebody(of, world, depth - 1)),)))
    return User(name, "", tuple(groups), tuple(extra))


def _scope(of: Random, ids: list[str]) -> str:
    return ",".join(f"cluster:{each}" for each in of.sample(ids, of.choice((1, 2, 5))))


def _warrant(user: User) -> str:
    extra = {key: list(values) for key, values in user.extra}
    return json.dumps({"user": user.name, "groups": list(user.groups), "extra": extra})


async def ask_review(client: Client, asked: Review) -> Any:
    """Return what a review says: a status, or what it has found out."""
    headers = asked.who.headers(client.world)
    headers |= {b"content-type": b"application/json", b"accept": b"application/json"}
    if asked.deep:
        headers[b"x-kcp-internal-deep-subjectaccessreview"] = b"true"
    where = (f"{asked.door.prefix(client.world)}/apis/{GROUP}/v1/{asked.plural}", "")
    body = json.dumps(_body(asked)).encode()
    got = await client.raw("POST", where, headers, body, asked.who.peer())
    assert isinstance(got, Response)
    if got.status != 201:
        return got.status
    status = json.loads(got.body)["status"]
    if asked.plural != RULES:
        return status["allowed"]
    return _set([*status["resourceRules"], *status["nonResourceRules"]])


def _body(asked: Review) -> Json:
    head = {"apiVersion": f"{GROUP}/v1", "kind": KIND[asked.plural]}
    if asked.plural == RULES:
        return head | {"spec": {"namespace": asked.ask.namespace or "default"}}
    ask, spec = asked.ask, Json()
    if asked.subject is not None:
        extra = {key: list(values) for key, values in asked.subject.extra}
        spec = {"user": asked.subject.name, "groups": list(asked.subject.groups), "extra": extra}
    if ask.path:
        return head | {
            "spec": spec | {"nonResourceAttributes": {"verb": ask.verb, "path": ask.path}}
        }
    wanted = {key: value for key, value in ask._asdict().items() if key != "path"}
    return head | {"spec": spec | {"resourceAttributes": wanted}}


def expected_review(twin: Twin, asked: Review) -> Any:
    """Return what a review must say."""
    cluster = asked.door.cluster(twin.world)
    make = Attributes("create", GROUP, "v1", asked.plural)
    try:
        user = twin.acting(asked.who, cluster)
    except Denied:
        return 403
    if twin.rights.sleeps(cluster, make) or not twin.rights.decide(user, cluster, make):
        return 403
    if cluster == "*":
        return 405
    whom = asked.subject if asked.subject is not None else user
    if asked.plural != RULES:
        deep = asked.deep and twin.rights.is_master(user, cluster)
        return twin.rights.decide(whom, cluster, asked.ask, deep=deep)
    if twin.rights.is_master(user, cluster):
        return _set([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                     {"verbs": ["*"], "nonResourceURLs": ["*"]}])  # fmt: skip
    namespace = asked.ask.namespace or "default"
    rules = [
        rule
        for place in dict.fromkeys(("system:admin", cluster))
        for rule in twin.rights.rules(place, persons(whom, cluster), namespace)
    ]
    return _set(rules)


def _set(rules: list[Any]) -> frozenset[str]:
    """Return rules in an order-free form; one rule may speak of resources and of paths."""
    found = set()
    for rule in rules:
        verbs = sorted(rule.get("verbs") or ())
        for keys in (("apiGroups", "resources", "resourceNames"), ("nonResourceURLs",)):
            told = {key: sorted(rule[key]) for key in keys if rule.get(key)}
            if told.get("resources") or told.get("nonResourceURLs"):
                found.add(json.dumps([verbs, told], sort_keys=True))
    return frozenset(found)
