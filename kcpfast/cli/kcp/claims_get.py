"""kcp claims get apibinding: lists the permission claims of bindings and how they were answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kcpfast.cli.arguments import Command, CommandLine
from kcpfast.cli.client import bindings
from kcpfast.cli.client.connect import connect
from kcpfast.cli.client.target import ServerTarget
from kcpfast.cli.failure import RequestRefused

COMMAND = Command(
    "[APIBINDING]",
    "List the permission claims of one APIBinding, or of all in the workspace.",
    (),
    (("list the claims of one binding", "cert-manager"), ("list the claims of all", "")),
)
_PADDING, _NARROWEST = 3, 6


def run(call: CommandLine) -> int | None:
    """Print the table."""
    if len(call.words) > 1:
        return None
    target = ServerTarget(call)
    here = target.place.path
    with connect(target) as session:
        served = bindings.version(session, here)
        try:
            if call.words:
                found_bindings = [bindings.get(session, here, served, call.words[0])]
            else:
                found_bindings = bindings.listed(session, here, served)
        except RequestRefused as refused:
            refused.args = (f"error finding APIBinding: {refused}",)
            raise
    print("\n".join(aligned(rows(found_bindings, served))))
    return 0


def rows(found_bindings: Sequence[dict[str, Any]], served: str) -> list[list[str]]:
    """Return the cells: one row for each claim; claims of the old version have no verbs."""
    verbs = served != bindings.OLD
    table = [["APIBINDING", "GROUP-RESOURCE", *(["VERBS"] if verbs else []), "STATUS"]]
    for binding in found_bindings:
        for claim in (binding.get("spec") or {}).get("permissionClaims") or ():
            given = [",".join(claim.get("verbs") or ())] if verbs else []
            name, state = str(binding["metadata"]["name"]), str(claim.get("state") or "")
            table.append([name, bindings.qualified(claim), *given, state])
    return table


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines, its columns aligned as kubectl's are."""
    widths = [
        max(_NARROWEST, *(len(row[column]) + _PADDING for row in table))
        for column in range(len(table[0]) - 1)
    ]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + row[-1]
        for row in table
    ]
