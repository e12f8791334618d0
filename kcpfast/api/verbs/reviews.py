"""Reviews: questions about users and rights that are answered and not stored.

See https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access and
the authorization.k8s.io and authentication.k8s.io API references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kcpfast.api import answer
from kcpfast.api.body import read_object
from kcpfast.api.context import Api, Call, Handler
from kcpfast.api.options import write_options
from kcpfast.kcp.authorizer import Authorizer, is_master
from kcpfast.meta.errors import Cause, bad_request, field_invalid, field_too_many, invalid
from kcpfast.meta.objectmeta import now
from kcpfast.meta.user import Attributes, User, user_of
from kcpfast.resources.resource import Object
from kcpfast.transport.messages import Response, Stream

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
# Honoured from members of system:masters only: skip who may enter and what exports permit.
_DEEP = b"x-kcp-internal-deep-subjectaccessreview"
_ALL = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
_ALL_PATHS = {"verbs": ["*"], "nonResourceURLs": ["*"]}

# Of groups, and of extras, of the subject of a review.
_MOST_GROUPS = 1000
# The fields of ResourceAttributes, in the order of Attributes.
_RESOURCE_ATTRIBUTES = (
    "verb",
    "group",
    "version",
    "resource",
    "subresource",
    "namespace",
    "name",
)
# The fields of a ResourceRule.
_RULE_KEYS = ("verbs", "apiGroups", "resources", "resourceNames")

Answer = Callable[[Api, Call, Object], Object]


def handlers(authorizer: Authorizer) -> dict[tuple[str, str, str, str], Handler]:
    """Return what serves the review resources, by group, plural, subresource and verb."""
    answers: dict[tuple[str, str], Answer] = {
        (AUTHORIZATION, "selfsubjectaccessreviews"): _access(authorizer, _self),
        (AUTHORIZATION, "subjectaccessreviews"): _access(authorizer, _subject),
        (AUTHORIZATION, "localsubjectaccessreviews"): _access(authorizer, _local_subject),
        (AUTHORIZATION, "selfsubjectrulesreviews"): partial(_answer_rules, authorizer),
        (AUTHENTICATION, "selfsubjectreviews"): _who,
        (AUTHENTICATION, "tokenreviews"): _token,
    }
    return {
        (group, plural, "", "create"): _answered(ask) for (group, plural), ask in answers.items()
    }


def _answered(ask: Answer) -> Handler:
    """Return a handler for POST: decode the question, answer 201 with the answer in it."""

    async def handle(api: Api, call: Call) -> Response | Stream:
        options = write_options(call, "CreateOptions")
        resource, who = call.resource, call.user.name
        obj = await api.aside.run(
            call.weigh(), who, read_object, call, resource, options.validation
        )
        if ask is _token:
            await api.authenticator.accounts.ready()
        return answer.respond_json(call, 201, ask(api, call, obj))

    return handle


# ------------------------------------------------------------------------- access


def _access(authorizer: Authorizer, subject_of: Callable[[Call, Object], User]) -> Answer:
    """Return what answers an access review; `subject_of` checks it and returns its subject."""

    def ask(_api: Api, call: Call, obj: Object) -> Object:
        user = subject_of(call, obj)
        attributes = _attributes_of(obj["spec"])
        deep = bool(call.request.header(_DEEP)) and is_master(call.user, call.cluster)
        decision = authorizer.decide(user, call.cluster, attributes, deep=deep)
        status: dict[str, Any] = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return obj | {"status": status}

    return ask


def _self(call: Call, obj: Object) -> User:
    _refuse(_check_meta(obj, {}) + _check_wanted(obj.get("spec") or {}))
    return call.user


def _subject(_call: Call, obj: Object) -> User:
    spec = obj.setdefault("spec", {})
    _refuse(_check_meta(obj, {}) + _check_wanted(spec) + _check_subject(spec))
    return user_of(spec)


def _local_subject(call: Call, obj: Object) -> User:
    spec, meta = obj.setdefault("spec", {}), obj["metadata"]
    namespace = meta.setdefault("namespace", call.route.namespace)
    if namespace != call.route.namespace:
        raise bad_request(f"namespace on request ({call.route.namespace}) must match {namespace}")
    causes = _check_meta(obj, {"namespace": namespace}) + _check_wanted(spec) + _check_subject(spec)
    on_resource, on_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if on_resource is not None:
        asked_in = on_resource.get("namespace") or ""
        if asked_in != namespace:
            field, message = "spec.resourceAttributes.namespace", "must match metadata.namespace"
            causes.append(field_invalid(field, asked_in, message))
    if on_path is not None:
        message = "disallowed on this kind of request"
        causes.append(field_invalid("spec.nonResourceAttributes", on_path, message))
    _refuse(causes)
    return user_of(spec)


def _refuse(causes: list[Cause]) -> None:
    if causes:
        raise invalid("", AUTHORIZATION, "", causes)


def _check_meta(obj: Object, allowed: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong with the metadata: nothing but `allowed` may stand in them."""
    meta = dict(obj["metadata"])
    meta.pop("managedFields", None)
    if meta == allowed:
        return []
    if allowed:
        return [field_invalid("metadata", meta, "must be empty except for namespace")]
    return [field_invalid("metadata", meta, "must be empty")]


def _check_wanted(spec: Mapping[str, Any]) -> list[Cause]:
    on_resource, on_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if on_resource is not None and on_path is not None:
        message = "cannot be specified in combination with resourceAttributes"
        return [field_invalid("spec.nonResourceAttributes", on_path, message)]
    if on_resource is None and on_path is None:
        message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [field_invalid("spec.resourceAttributes", None, message)]
    return _check_selectors(on_resource or {})


def _check_selectors(attributes: Mapping[str, Any]) -> list[Cause]:
    """Check the selectors of KEP-4601: RBAC does not look at them, as upstream's does not."""
    causes = []
    for key in ("fieldSelector", "labelSelector"):
        selector = attributes.get(key)
        if selector is None:
            continue
        raw = selector.get("rawSelector") or ""
        requirements = selector.get("requirements") or ()
        field = f"spec.resourceAttributes.{key}"
        if raw and requirements:
            message = "may not specified at the same time as requirements"
            causes.append(field_invalid(f"{field}.rawSelector", raw, message))
        elif not raw and not requirements:
            message = "when specified, requirements or rawSelector is required"
            causes.append(Cause("FieldValueRequired", f"Required value: {message}", field))
    return causes


def _check_subject(spec: Mapping[str, Any]) -> list[Cause]:
    """Check whom a review is about; each group and extra costs look-ups, so there is a limit."""
    for key in ("groups", "extra"):
        values = spec.get(key) or ()
        if len(values) > _MOST_GROUPS:
            return [field_too_many(f"spec.{key}", len(values), _MOST_GROUPS)]
    if spec.get("user") or spec.get("groups"):
        return []
    message = "at least one of user or group must be specified"
    return [field_invalid("spec.user", "", message)]


def _attributes_of(spec: Mapping[str, Any]) -> Attributes:
    """Return what an access review asks about; its spec is checked."""
    on_path = spec.get("nonResourceAttributes")
    if on_path is not None:
        return Attributes(on_path.get("verb") or "", path=on_path.get("path") or "")
    on_resource = spec["resourceAttributes"]
    fields = [on_resource.get(key) or "" for key in _RESOURCE_ATTRIBUTES]
    attributes = Attributes(*fields)
    # A resource has one name here as in paths, where `plural:identity` is one way to spell it.
    plural = attributes.resource.partition(":")[0]
    return attributes._replace(resource=plural)


# ------------------------------------------------------------------------- rules


def _answer_rules(authorizer: Authorizer, _api: Api, call: Call, obj: Object) -> Object:
    spec = obj.get("spec") or {}
    namespace = spec.get("namespace") or ""
    if not namespace:
        raise bad_request("no namespace on request")
    rules = _rules(authorizer, call, namespace)
    return obj | {"status": {**rules, "incomplete": False}}


def _rules(authorizer: Authorizer, call: Call, namespace: str) -> dict[str, list[Any]]:
    """Return what the user may do in a namespace, as a SelfSubjectRulesReview lists it."""
    if is_master(call.user, call.cluster):
        return {"resourceRules": [_ALL], "nonResourceRules": [_ALL_PATHS]}
    on_resources, on_paths = [], []
    for rule in authorizer.rules(call.user, call.cluster, namespace):
        if rule.get("resources"):
            given = [key for key in _RULE_KEYS if rule.get(key)]
            on_resources.append({key: list(rule[key]) for key in given})
        if rule.get("nonResourceURLs"):
            paths = list(rule["nonResourceURLs"])
            on_paths.append({"verbs": list(rule["verbs"]), "nonResourceURLs": paths})
    return {"resourceRules": on_resources, "nonResourceRules": on_paths}


# ------------------------------------------------------------------------- identity


def _who(_api: Api, call: Call, obj: Object) -> Object:
    meta = obj["metadata"] | {"creationTimestamp": now()}
    return obj | {"metadata": meta, "status": {"userInfo": call.user.info()}}


def _token(api: Api, _call: Call, obj: Object) -> Object:
    spec = obj.get("spec") or {}
    token, audiences = spec.get("token") or "", spec.get("audiences") or []
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    reviewed = api.authenticator.review(token, audiences)
    if reviewed is None:
        status: dict[str, Any] = {"user": {}, "error": "invalid bearer token"}
    else:
        status = {"authenticated": True, "user": reviewed[0].info(), "audiences": reviewed[1]}
    return obj | {"status": status}
