"""What `kubectl get` prints of built-in kinds: one row per column.

Names, types and priorities are those of a Kubernetes 1.36 API server; the cells follow
k8s.io/kubernetes/pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kcpfast.resources.ages import age, human
from kcpfast.resources.resource import Column, Object

Cell = Callable[[Object], Any]


def _name(obj: Object) -> Any:
    return obj["metadata"].get("name", "")


def _age(obj: Object) -> Any:
    return age(obj["metadata"].get("creationTimestamp"))


def _created(obj: Object) -> Any:
    return obj["metadata"].get("creationTimestamp")


def _at(*path: str, default: Any = "") -> Cell:
    def cell(obj: Object) -> Any:
        value: Any = obj
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _count(*paths: str) -> Cell:
    def cell(obj: Object) -> int:
        total = 0
        for path in paths:
            total += len(obj.get(path) or ())
        return total

    return cell


def _count_in_spec(name: str) -> Cell:
    return lambda obj: len((obj.get("spec") or {}).get(name) or ())


def _param_kind(obj: Object) -> str:
    param_kind = (obj.get("spec") or {}).get("paramKind")
    return f"{param_kind['apiVersion']}/{param_kind['kind']}" if param_kind else "<unset>"


def _param_ref(obj: Object) -> str:
    param_ref = (obj.get("spec") or {}).get("paramRef")
    if not param_ref:
        return "<unset>"
    name, namespace = param_ref.get("name") or "*", param_ref.get("namespace")
    return f"{namespace}/{name}" if namespace else f"{name}"


def _role(obj: Object) -> str:
    return f"{obj['roleRef']['kind']}/{obj['roleRef']['name']}"


def _subjects(kind: str) -> Cell:
    def cell(obj: Object) -> str:
        subjects = [subject for subject in obj.get("subjects") or () if subject.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(
                f"{subject.get('namespace', '')}/{subject['name']}" for subject in subjects
            )
        return ", ".join(subject["name"] for subject in subjects)

    return cell


def _quota(limits: bool) -> Cell:
    def cell(obj: Object) -> str:
        hard = (obj.get("status") or {}).get("hard") or {}
        used = (obj.get("status") or {}).get("used") or {}
        names = sorted(name for name in hard if name.startswith("limits.") is limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return cell


def _event_object(obj: Object) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_subobject(obj: Object) -> str:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    return str(about.get("fieldPath", ""))


def _event_source(obj: Object) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    component = source.get("component") or obj.get("reportingComponent", "")
    component = component or obj.get("reportingController", "")
    host = source.get("host") or obj.get("reportingInstance", "")
    return ", ".join(part for part in (component, host) if part)


def _event_times(obj: Object) -> tuple[str, str]:
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp")
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp")
    first = first or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or last or first
    return age(first), age(last)


def _event_count(obj: Object) -> int:
    series = obj.get("series") or {}
    count = series.get("count") or obj.get("count") or obj.get("deprecatedCount") or 1
    return int(count)


def _event_message(obj: Object) -> str:
    return str(obj.get("message") or obj.get("note") or "").strip()


def _csr_duration(obj: Object) -> str:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return human(seconds) if seconds else "<none>"


def _csr_condition(obj: Object) -> str:
    status = obj.get("status") or {}
    types = [condition.get("type") for condition in status.get("conditions") or ()]
    words = [word for word in ("Approved", "Denied") if word in types] or ["Pending"]
    words += ["Failed"] if "Failed" in types else []
    return ",".join(words + (["Issued"] if status.get("certificate") else []))


NAME_COLUMN = Column("Name", "string", _name, "name", reads=())
AGE = Column("Age", "string", _age, reads=())
CREATED = Column("Created At", "date", _created, reads=())

_EVENTS = (
    Column("Last Seen", "string", lambda obj: _event_times(obj)[1]),
    Column("Type", "string", _at("type")),
    Column("Reason", "string", _at("reason")),
    Column("Object", "string", _event_object),
    Column("Subobject", "string", _event_subobject, priority=1),
    Column("Source", "string", _event_source, priority=1),
    Column("Message", "string", _event_message),
    Column("First Seen", "string", lambda obj: _event_times(obj)[0], priority=1),
    Column("Count", "string", _event_count, priority=1),
    Column("Name", "string", _name, "name", 1),
)
_SUBJECTS = ("subjects",)
_BINDINGS = (
    NAME_COLUMN,
    Column("Role", "string", _role, reads=("roleRef",)),
    AGE,
    Column("Users", "string", _subjects("User"), priority=1, reads=_SUBJECTS),
    Column("Groups", "string", _subjects("Group"), priority=1, reads=_SUBJECTS),
    Column("ServiceAccounts", "string", _subjects("ServiceAccount"), priority=1, reads=_SUBJECTS),
)
_SPEC, _STATUS = ("spec",), ("status",)
_POLICY_BINDINGS = (
    NAME_COLUMN,
    Column("PolicyName", "string", _at("spec", "policyName"), reads=_SPEC),
    Column("ParamRef", "string", _param_ref, reads=_SPEC),
    AGE,
)
_WEBHOOKS = (
    NAME_COLUMN,
    Column("Webhooks", "integer", _count("webhooks"), reads=("webhooks",)),
    AGE,
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "/configmaps": (
        NAME_COLUMN,
        Column("Data", "string", _count("data", "binaryData"), reads=("data", "binaryData")),
        AGE,
    ),
    "/events": _EVENTS,
    "/namespaces": (
        NAME_COLUMN,
        Column("Status", "string", _at("status", "phase"), reads=_STATUS),
        AGE,
    ),
    "/resourcequotas": (
        NAME_COLUMN,
        Column("Request", "string", _quota(limits=False), reads=_STATUS),
        Column("Limit", "string", _quota(limits=True), reads=_STATUS),
        AGE,
    ),
    "/secrets": (
        NAME_COLUMN,
        Column("Type", "string", _at("type"), reads=("type",)),
        Column("Data", "string", _count("data"), reads=("data",)),
        AGE,
    ),
    "/serviceaccounts": (NAME_COLUMN, AGE),
    "admissionregistration.k8s.io/mutatingadmissionpolicies": (
        NAME_COLUMN,
        Column("Mutations", "integer", _count_in_spec("mutations"), reads=_SPEC),
        Column("ParamKind", "string", _param_kind, reads=_SPEC),
        AGE,
    ),
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": _POLICY_BINDINGS,
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": _WEBHOOKS,
    "admissionregistration.k8s.io/validatingadmissionpolicies": (
        NAME_COLUMN,
        Column("Validations", "integer", _count_in_spec("validations"), reads=_SPEC),
        Column("ParamKind", "string", _param_kind, reads=_SPEC),
        AGE,
    ),
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": _POLICY_BINDINGS,
    "admissionregistration.k8s.io/validatingwebhookconfigurations": _WEBHOOKS,
    "apiextensions.k8s.io/customresourcedefinitions": (NAME_COLUMN, CREATED),
    "certificates.k8s.io/certificatesigningrequests": (
        NAME_COLUMN,
        AGE,
        Column("SignerName", "string", _at("spec", "signerName"), reads=_SPEC),
        Column("Requestor", "string", _at("spec", "username"), reads=_SPEC),
        Column("RequestedDuration", "string", _csr_duration, reads=_SPEC),
        Column("Condition", "string", _csr_condition, reads=_STATUS),
    ),
    "coordination.k8s.io/leases": (
        NAME_COLUMN,
        Column("Holder", "string", _at("spec", "holderIdentity"), reads=_SPEC),
        AGE,
    ),
    "events.k8s.io/events": _EVENTS,
    "rbac.authorization.k8s.io/clusterrolebindings": _BINDINGS,
    "rbac.authorization.k8s.io/clusterroles": (NAME_COLUMN, CREATED),
    "rbac.authorization.k8s.io/rolebindings": _BINDINGS,
    "rbac.authorization.k8s.io/roles": (NAME_COLUMN, CREATED),
}
