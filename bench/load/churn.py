"""What changes elsewhere costs those who only read: GETs beside a busy neighbour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from bench.load.runs import TENANCY, Plan, get, obj, workspace
from bench.row import Row

PER_SECOND = 50
_RBAC = "apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"


def role_binding(name: str) -> bytes:
    """Return a RoleBinding of somebody."""
    group = "rbac.authorization.k8s.io"
    subject = {"apiGroup": group, "kind": "User", "name": name}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "view"}
    return obj(f"{group}/v1", "RoleBinding", name, roleRef=role, subjects=[subject])


@contextmanager
def _neighbour(plan: Plan) -> Iterator[list[float]]:
    """Make workspaces and RoleBindings, so many of each in a second; yield when each was made."""
    stop, made = threading.Event(), list[float]()

    def work() -> None:
        begun, path = time.monotonic(), f"/clusters/{plan.parent}/{TENANCY}"
        plan.master.ask("POST", path, workspace(f"{plan.prefix}-near"))
        bindings = f"/clusters/{plan.parent}:{plan.prefix}-near/{_RBAC}"
        for at in count():
            if stop.wait(max(0.0, begun + at / PER_SECOND - time.monotonic())):
                return
            name = f"{plan.prefix}-{at}"
            plan.master.ask("POST", path, workspace(name))
            plan.master.ask("POST", bindings, role_binding(name))
            made.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join()


def beside(plan: Plan) -> Row:
    """GETs of what a run of create has made, alone and beside a neighbour: what is left of them."""
    alone = get(plan)
    with _neighbour(plan) as made:
        busy = get(plan)
    seconds = made[-1] - made[0] if len(made) > 1 else 1.0
    note = f"{alone.value:,.0f}/s alone, {busy.value:,.0f}/s beside "
    note += f"{len(made) / seconds:.0f} workspaces and RoleBindings a second"
    what = "GETs of one workspace while another client makes workspaces"
    return Row("beside", what, 100 * busy.value / alone.value, "%", note=note)
