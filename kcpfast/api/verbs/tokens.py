"""TokenRequest: POST to the token subresource of a service account.

See https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kcpfast.api import answer
from kcpfast.api.body import read_part
from kcpfast.api.context import Api, Call
from kcpfast.auth.tokens import ACCOUNTS, SECRETS
from kcpfast.meta.errors import (
    ApiError,
    Cause,
    bad_request,
    conflict,
    field_invalid,
    field_too_many,
    invalid,
    not_found,
)
from kcpfast.meta.objectmeta import new_uid, now
from kcpfast.registry.objects import Target
from kcpfast.resources.resource import Object
from kcpfast.transport.messages import Response, Stream

GROUP, KIND = "authentication.k8s.io", "TokenRequest"
_DEFINITION = "io.k8s.api.authentication.v1.TokenRequest"
# A token with more audiences would not fit into the headers of a request.
_MOST_AUDIENCES = 1000
# Seconds that a token may be valid, and is by default.
_SHORTEST, _LONGEST, _USUAL = 600, 1 << 32, 3600


async def request_token(api: Api, call: Call) -> Response | Stream:
    """Issue a token for the account in the path, and answer 201 with it."""
    size, who = call.weigh(), call.user.name
    obj = await api.aside.run(size, who, read_part, call, _DEFINITION, KIND, f"{GROUP}/v1")
    obj = _defaulted(obj, api.authenticator.accounts.issuer)
    _check(obj, call)
    target = Target(ACCOUNTS, call.cluster, call.route.namespace, call.route.name)
    account = api.objects.find(target)
    if account is None:
        raise not_found("serviceaccounts", "", target.name)
    spec = obj["spec"]
    await api.authenticator.accounts.ready()
    token, expires = api.authenticator.accounts.issue(
        target,
        account["metadata"]["uid"],
        spec["audiences"],
        spec["expirationSeconds"],
        _bound_secret(api, target, spec["boundObjectRef"]),
    )
    expiry = datetime.fromtimestamp(expires, UTC)
    meta = {
        "name": target.name,
        "namespace": target.namespace,
        "uid": new_uid(),
        "creationTimestamp": now(),
    }
    timestamp = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"token": token, "expirationTimestamp": timestamp}
    return answer.respond_json(call, 201, obj | {"metadata": meta, "status": status})


def _defaulted(given: Object, issuer: str) -> Object:
    """Return a TokenRequest with the defaults of its spec; `issuer` is the default audience."""
    asked = given.get("spec") or {}
    seconds = asked.get("expirationSeconds")
    spec = {
        "audiences": asked.get("audiences") or [issuer],
        "expirationSeconds": _USUAL if seconds is None else seconds,
        "boundObjectRef": asked.get("boundObjectRef"),
    }
    return {
        "kind": KIND,
        "apiVersion": f"{GROUP}/v1",
        "metadata": given.get("metadata") or {},
        "spec": spec,
    }


def _check(obj: Object, call: Call) -> None:
    """Raise BadRequest for a name that is not the path's, Invalid for a spec out of bounds."""
    seconds, meta = obj["spec"]["expirationSeconds"], obj["metadata"]
    for key, expected in (("name", call.route.name), ("namespace", call.route.namespace)):
        if meta.get(key) not in (None, "", expected):
            raise bad_request(
                f"the {key} of the provided object does not match the {key} sent on the request"
            )
    causes: list[Cause] = []
    field = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        message = "may not specify a duration less than 10 minutes"
        causes.append(field_invalid(field, seconds, message))
    if seconds > _LONGEST:
        message = "may not specify a duration larger than 2^32 seconds"
        causes.append(field_invalid(field, seconds, message))
    audiences = obj["spec"]["audiences"]
    if isinstance(audiences, list) and len(audiences) > _MOST_AUDIENCES:
        causes.append(field_too_many("spec.audiences", len(audiences), _MOST_AUDIENCES))
    if causes:
        raise invalid(KIND, GROUP, "", causes)


def _bound_secret(
    api: Api, account: Target, reference: Mapping[str, Any] | None
) -> Mapping[str, str] | None:
    """Return the secret that a token lives and dies with, None if it is not bound to one."""
    if not reference:
        return None
    kind = reference.get("kind") or ""
    version = reference.get("apiVersion") or ""
    name = reference.get("name") or ""
    uid = reference.get("uid") or ""
    if version == "v1" and kind in ("Pod", "Node"):
        raise not_found(kind.lower() + "s", "", name)  # no workspace has any
    if (version, kind) != ("v1", "Secret"):
        raise _unbindable(f"{version}, Kind={kind}")
    secret = api.objects.find(account._replace(resource=SECRETS, name=name))
    if secret is None:
        raise not_found("secrets", "", name)
    stored_uid = secret["metadata"]["uid"]
    if uid and uid != stored_uid:
        message = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            "The object might have been deleted and recreated"
        )
        raise conflict("secrets", "", name, message)
    return {"name": name, "uid": stored_uid}


def _unbindable(what: str) -> ApiError:
    return bad_request(f"cannot bind token for serviceaccount to a object of type {what}")
