"""kcp claims accept, kcp claims reject: answers permission claims of a binding."""

from __future__ import annotations

from typing import Any

from kcpfast.cli.arguments import Command, CommandLine, Flag
from kcpfast.cli.client import bindings
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure, RequestRefused

COMMAND = Command(
    "APIBINDING (--resource RESOURCE.GROUP | --identity-hash HASH)",
    "Accept or reject permission claims of an APIBinding.",
    (
        Flag("identity-hash", "Identity of the API that the claim is for"),
        Flag("resource", "Resource that the claim is for, with its group unless that is core"),
    ),
    (
        ("answer the claim for secrets", "cert-manager --resource secrets"),
        ("answer the claim for another API", "demo --resource gateways.networking.istio.io"),
    ),
)
_ATTEMPTS = 5


def run(call: CommandLine) -> int:
    """Answer the claims that are named and say so; Failure if the export makes none of them."""
    if len(call.words) != 1:
        raise Failure("apibinding name is required")
    resource, identity = call.text("resource"), call.text("identity-hash")
    if not resource and not identity:
        raise Failure("--resource or --identity-hash is required")
    state = bindings.ACCEPTED if call.spelled.endswith("accept") else bindings.REJECTED
    target = ServerTarget(call)
    here, name = target.place.path, call.words[0]
    with connect(target) as session:
        served = bindings.version(session, here)
        path = bindings.one(here, served, name)
        for attempt in range(_ATTEMPTS):
            binding = session.get(path)
            changed = decide(binding, resource, identity, state, served)
            if not changed:
                raise Failure(
                    f'claim for "{resource or identity}" not found on APIBinding "{name}"'
                )
            try:
                session.request("PUT", path, binding)
                break
            except RequestRefused as refused:
                if refused.reason != "Conflict" or attempt == _ATTEMPTS - 1:
                    raise
    for claim in changed:
        text = bindings.qualified(claim)
        print(f'claim "{text}" on APIBinding "{name}" is {state.lower()}')
    return 0


def decide(
    binding: dict[str, Any], resource: str, identity: str, state: str, served: str
) -> list[dict[str, Any]]:
    """Answer the matching claims of a binding in place, and return them.

    A claim that the export makes and the binding does not mention yet is answered as well.
    """
    answers = list(binding["spec"].get("permissionClaims") or ())
    decided = {bindings.key(answer) for answer in answers}
    answers += [
        bindings.answered(claim, state, served)
        for claim in (binding.get("status") or {}).get("exportPermissionClaims") or ()
        if bindings.key(claim) not in decided and _matches(claim, resource, identity)
    ]
    changed = [claim for claim in answers if _matches(claim, resource, identity)]
    for claim in changed:
        claim["state"] = state
    binding["spec"]["permissionClaims"] = answers
    return changed


def _matches(claim: dict[str, Any], resource: str, identity: str) -> bool:
    group, name, identity_hash = bindings.key(claim)
    if identity and identity_hash != identity:
        return False
    return not resource or (name, group) == group_resource(resource)


def group_resource(text: str) -> tuple[str, str]:
    """Return resource and group of `resource.group`; the core group may be written or left out."""
    resource, _, group = text.partition(".")
    return resource, "" if group == "core" else group
