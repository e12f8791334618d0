"""APIBindings and APIExports as the server has them, in whichever version it serves.

v1alpha2 is asked for, v1alpha1 taken where there is nothing newer; claims of the old version have
no verbs, and `all` in place of a selector.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kcpfast.cli.client.http1 import segment
from kcpfast.cli.failure import Failure, RequestRefused

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

Object = dict[str, Any]
APIS_GROUP = "apis.kcp.io"
NEW, OLD = "v1alpha2", "v1alpha1"
ACCEPTED, REJECTED = "Accepted", "Rejected"
_BOUND = "Bound"


def version(session: Session, cluster: str) -> str:
    """Return the version of APIBindings to use in a workspace; Failure if none is served."""
    try:
        group = session.get(f"/clusters/{cluster}/apis/{APIS_GROUP}")
    except RequestRefused as refused:
        raise Failure(f"service discovery failed: {refused}", refused.hint) from None
    served = [str(served_version.get("version")) for served_version in group.get("versions") or ()]
    for candidate in (NEW, OLD):
        if candidate in served:
            return candidate
    raise Failure(f"service discovery failed: server does not serve apibindings.{APIS_GROUP}")


def collection(cluster: str, served: str, resource: str = "apibindings") -> str:
    """Return the URL path of the bindings, or the exports, in a workspace."""
    return f"/clusters/{cluster}/apis/{APIS_GROUP}/{served}/{resource}"


def one(cluster: str, served: str, name: str, resource: str = "apibindings") -> str:
    """Return the URL path of one binding, or export."""
    return f"{collection(cluster, served, resource)}/{segment(name)}"


def listed(session: Session, cluster: str, served: str) -> list[Object]:
    """Return all bindings of a workspace."""
    return list(session.get(collection(cluster, served)).get("items") or ())


def get(session: Session, cluster: str, served: str, name: str) -> Object:
    """Return one binding."""
    return session.get(one(cluster, served, name))


def bound(binding: Object) -> bool:
    """Tell whether a binding is at work."""
    return (binding.get("status") or {}).get("phase") == _BOUND


def wait(session: Session, cluster: str, binding: Object, patience: float) -> None:
    """Wait until a binding is bound; Failure says what stands in the way."""
    name = binding["metadata"]["name"]
    served = binding["apiVersion"].partition("/")[2]
    started, pause = time.monotonic(), 0.02
    while not bound(binding):
        if time.monotonic() - started > patience:
            raise Failure(f"could not bind {name} within {patience:.3g} seconds{_why(binding)}")
        time.sleep(pause)
        pause = min(pause * 2, 0.5)
        binding = get(session, cluster, served, name)


def _why(binding: Object) -> str:
    conditions = (binding.get("status") or {}).get("conditions") or ()
    texts = [
        f"{condition.get('reason') or condition.get('type')}: {condition['message']}"
        for condition in conditions
        if condition.get("status") == "False"
        and condition.get("message")
        and condition.get("type") != "Ready"
    ]
    return f" ({'; '.join(dict.fromkeys(texts))})" if texts else ""


# ----------------------------------------------------------------------------------- claims


def qualified(claim: Object) -> str:
    """Return what a claim is for: the resource, and its group unless that is the core group."""
    group = claim.get("group")
    return f"{claim.get('resource')}.{group}" if group else str(claim.get("resource"))


def described(claim: Object) -> str:
    """Return a claim as kcp's warnings name it: with the identity, if it has a group and one."""
    identity = claim.get("identityHash") if claim.get("group") else ""
    return f"{qualified(claim)}:{identity}" if identity else qualified(claim)


def key(claim: Object) -> tuple[str, str, str]:
    """Return what makes two claims the same one."""
    parts = (claim.get("group"), claim.get("resource"), claim.get("identityHash"))
    group, resource, identity = (str(part or "") for part in parts)
    return group, resource, identity


def answered(claim: Object, state: str, served: str) -> Object:
    """Return an exported claim as a binding answers it, for all objects."""
    group, resource, identity = key(claim)
    answer: Object = {"group": group, "resource": resource, "state": state}
    if identity:
        answer["identityHash"] = identity
    if served == OLD:
        return {**answer, "all": True}
    verbs = list(claim.get("verbs") or ["*"])
    return {**answer, "verbs": verbs, "selector": {"matchAll": True}}


def warnings(binding: Object) -> list[str]:
    """Return a line for each exported claim that a binding does not answer as it is exported."""
    name = (binding.get("metadata") or {}).get("name")
    answers = {
        key(claim_asked): claim_asked
        for claim_asked in (binding.get("spec") or {}).get("permissionClaims") or ()
    }
    lines = []
    for claim in (binding.get("status") or {}).get("exportPermissionClaims") or ():
        answer, text = answers.get(key(claim)), described(claim)
        if answer is None:
            lines += [
                f"Warning: claim for {text} exported but not specified on APIBinding {name}",
                "Add this claim to the APIBinding's Spec.",
            ]
            continue
        if answer.get("state") not in (ACCEPTED, REJECTED):
            lines.append(
                f"Warning: claim for {text} specified on APIBinding {name} but not accepted or "
                "rejected."
            )
        given, verbs_asked = set(answer.get("verbs") or ()), set(claim.get("verbs") or ())
        if given != verbs_asked:
            lines.append(
                f"Warning: allowed verbs ({','.join(sorted(given))}) on claim for {text} on "
                f"APIBinding {name} do not match expected verbs ({','.join(sorted(verbs_asked))})."
            )
    return lines


def unresolved(session: Session, cluster: str) -> list[str]:
    """Return the warnings about all bindings of a workspace, none where they may not be seen."""
    for served in (NEW, OLD):
        try:
            listed_bindings = listed(session, cluster, served)
        except RequestRefused as refused:
            if refused.code == 403:
                return []
            if refused.code != 404:
                raise
            continue
        return [line for binding in listed_bindings for line in warnings(binding)]
    return []
