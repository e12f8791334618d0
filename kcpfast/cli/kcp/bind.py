"""kcp bind apiexport: binds an APIExport into the current workspace and waits until it is bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kcpfast.cli.arguments import LIST, SECONDS, SWITCH, Command, CommandLine, Flag
from kcpfast.cli.client import bindings
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import Failure, RequestRefused
from kcpfast.cli.kcp.claims_decide import group_resource
from kcpfast.cli.places import split, valid

if TYPE_CHECKING:
    from kcpfast.cli.client.session import Session

_ACCEPT, _REJECT = "accept-permission-claim", "reject-permission-claim"
_ACCEPT_ALL, _REJECT_ALL = "accept-all-permission-claims", "reject-all-permission-claims"
COMMAND = Command(
    "WORKSPACE:APIEXPORT",
    "Bind to an APIExport: create an APIBinding and wait until it is bound.",
    (
        Flag(_ACCEPT_ALL, "Accept all permission claims of the APIExport", SWITCH),
        Flag(_ACCEPT, "Permission claims to accept, as RESOURCE.GROUP", LIST),
        Flag("name", "Name of the APIBinding; that of the APIExport if not given"),
        Flag(_REJECT_ALL, "Reject all permission claims of the APIExport", SWITCH),
        Flag(_REJECT, "Permission claims to reject, as RESOURCE.GROUP", LIST),
        Flag("timeout", "How long to wait until it is bound", SECONDS, "", "30s"),
    ),
    (
        ("bind an export of another workspace", "root:my-service:my-export --name my-binding"),
        (
            "accept what it claims",
            f"root:my-service:my-export --{_ACCEPT} secrets.core,configmaps.core",
        ),
    ),
)
# flags that exclude each other, and how they are told to
_EXCLUSIVE = (
    (_ACCEPT_ALL, _REJECT_ALL, "cannot use both --{} and --{}"),
    (_ACCEPT_ALL, _ACCEPT, "cannot use --{} with --{}"),
    (_ACCEPT_ALL, _REJECT, "cannot use --{} together with --{}"),
    (_REJECT_ALL, _REJECT, "cannot use --{} with --{}"),
    (_REJECT_ALL, _ACCEPT, "cannot use --{} together with --{}"),
)
ClaimObject = dict[str, Any]


def run(call: CommandLine) -> int:
    """Create the binding, wait, and say so; Failure if it is refused or gets not bound."""
    path, export = reference(call.words)
    decisions = _wanted(call)
    target = ServerTarget(call)
    here, name = target.place.path, call.text("name") or export
    with connect(target) as session:
        served = bindings.version(session, here)
        claims = _claims(session, call, (path, export), decisions, served)
        body = {
            "apiVersion": f"{bindings.APIS_GROUP}/{served}",
            "kind": "APIBinding",
            "metadata": {"name": name},
            "spec": {"reference": {"export": {"path": path, "name": export}}},
        }
        if claims:
            body["spec"]["permissionClaims"] = claims  # type: ignore[index]  # it is a dict
        try:
            created = session.request("POST", bindings.collection(here, served), body)
        except RequestRefused as refused:
            refused.args = (f"failed to create APIBinding: {refused}",)
            raise
        print(f"apibinding {name} created. Waiting to successfully bind ...", flush=True)
        bindings.wait(session, here, created, call.number("timeout"))
    print(f"{name} created and bound.")
    return 0


def reference(words: list[str]) -> tuple[str, str]:
    """Return path and name of the export that the arguments name; Failure if they name none."""
    if len(words) != 1:
        raise Failure("`root:ws:apiexport_object` reference to bind is required as an argument")
    path, name = split(words[0].removeprefix(":"))
    if not path or not valid(path):
        raise Failure(
            "fully qualified reference to workspace where APIExport exists is required. The "
            "format is `<logical-cluster-name>:<apiexport>` or `<full>:<path>:<to>:<apiexport>`"
        )
    return path, name


def _wanted(call: CommandLine) -> dict[tuple[str, str], str]:
    """Return resource and group -> state, for the claims that are answered one by one."""
    given = {
        name: call.switch(name) if name in (_ACCEPT_ALL, _REJECT_ALL) else call.all(name)
        for name in (_ACCEPT, _REJECT, _ACCEPT_ALL, _REJECT_ALL)
    }
    for accepting, other, text in _EXCLUSIVE:
        if given[accepting] and given[other]:
            raise Failure(text.format(accepting, other))
    decisions: dict[tuple[str, str], str] = {}
    for name, state, word in (
        (_ACCEPT, bindings.ACCEPTED, "accepted"),
        (_REJECT, bindings.REJECTED, "rejected"),
    ):
        for text in call.all(name):
            if "." not in text.strip("."):
                raise Failure(
                    f'invalid {word} permission claims: invalid permission claim "{text}"'
                )
            key = group_resource(text)
            if decisions.setdefault(key, state) != state:
                raise Failure(f"permission claim {text} is both accepted and rejected")
    return decisions


def _claims(
    session: Session,
    call: CommandLine,
    export: tuple[str, str],
    decisions: dict[tuple[str, str], str],
    served: str,
) -> list[ClaimObject]:
    """Return the answers to the export's claims, with the verbs and identities that it claims.

    Where the export may not be read, claims that are named are answered for all verbs.
    """
    everything = call.switch(_ACCEPT_ALL) or call.switch(_REJECT_ALL)
    if not decisions and not everything:
        return []
    path, name = export
    try:
        export_object = session.get(bindings.one(path, served, name, "apiexports"))
    except RequestRefused as refused:
        if everything:
            refused.args = (f'failed to get APIExport "{name}": {refused}',)
            raise
        export_object = {}
    exported = (export_object.get("spec") or {}).get("permissionClaims") or []
    if everything:
        state = bindings.ACCEPTED if call.switch(_ACCEPT_ALL) else bindings.REJECTED
        return [bindings.answered(claim, state, served) for claim in exported]
    return list(_named(exported, decisions, served))


def _named(
    exported: list[ClaimObject], decisions: dict[tuple[str, str], str], served: str
) -> list[ClaimObject]:
    claims = []
    for (resource, group), state in decisions.items():
        same = [claim for claim in exported if bindings.key(claim)[:2] == (group, resource)]
        same = same or [{"group": group, "resource": resource}]
        claims += [bindings.answered(claim, state, served) for claim in same]
    return claims
