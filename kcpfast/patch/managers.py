"""The entries of `metadata.managedFields`: one manager in one role each.

A role is a manager's name, operation, subresource and, for updates, API version. Entries on the
wire become a dict by role and back; how fields pass from one role to another is told elsewhere.
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from kcpfast.patch.fieldset import FieldSet, from_fields_v1
from kcpfast.patch.owned_fields import Object

_OPERATIONS = ("Apply", "Update")


class FieldWriter(NamedTuple):
    """Who writes, how, and when.

    `manager` is the fieldManager parameter or the first word of the user agent, `api_version` the
    one of the request, `time` in UTC and RFC 3339 with whole seconds ("2024-01-01T00:00:00Z").
    """

    manager: str
    api_version: str
    time: str
    subresource: str = ""


class Role(NamedTuple):
    """What tells one entry from another; an applier's is the same in all versions."""

    manager: str
    operation: str
    api_version: str
    subresource: str


class Owned(NamedTuple):
    """What a role has: its fields, in which version it last wrote, and when."""

    fields: FieldSet
    api_version: str
    time: str


Managers = dict[Role, Owned]


def role_of(writer: FieldWriter, operation: str) -> Role:
    """Return the role that a writer plays with an operation ("Apply" or "Update")."""
    version = writer.api_version if operation == "Update" else ""
    return Role(writer.manager or "unknown", operation, version, writer.subresource)


def stored_managers(entries: Any) -> Managers:
    """Return what stored entries say; they are trusted to be of our writing."""
    managers: Managers = {}
    for entry in entries or ():
        operation, version = entry.get("operation", ""), entry.get("apiVersion", "")
        role = Role(
            entry.get("manager", ""),
            operation,
            version if operation == "Update" else "",
            entry.get("subresource", ""),
        )
        managers[role] = Owned(entry.get("fieldsV1") or {}, version, entry.get("time") or "")
    return managers


def sent_managers(entries: Any) -> Managers:
    """Return what a client's entries say; ValueError if they are not well-formed."""
    if type(entries) is not list or any(type(entry) is not dict for entry in entries):
        raise ValueError("managedFields must be a list of objects")
    checked = []
    for entry in entries:
        if entry.get("operation") not in _OPERATIONS:
            raise ValueError("operation must be `Apply` or `Update`")
        if not entry.get("apiVersion") or entry.get("fieldsType") != "FieldsV1":
            raise ValueError("apiVersion must not be empty, fieldsType must be FieldsV1")
        texts = [entry.get(key, "") for key in ("manager", "apiVersion", "subresource")]
        if any(type(text) is not str for text in texts):
            raise ValueError("manager, apiVersion and subresource must be strings")
        fields = from_fields_v1(entry.get("fieldsV1") or {})
        checked.append({**entry, "fieldsV1": fields, "time": _whole_seconds(entry.get("time"))})
    return stored_managers(checked)


def _whole_seconds(time: Any) -> str:
    if time is None:
        return ""
    if type(time) is not str:
        raise ValueError("time must be a string")
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError("time must have a zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_entries(managers: Managers) -> list[Object]:
    """Return the entries as an object holds them; managers without fields have none."""
    listed = [(role, owned) for role, owned in managers.items() if owned.fields]
    listed.sort(
        key=lambda pair: (
            pair[0].operation,
            pair[1].time,
            pair[0].manager,
            pair[1].api_version,
            pair[0].subresource,
        )
    )
    return [_entry(role, owned) for role, owned in listed]


def _entry(role: Role, owned: Owned) -> Object:
    entry: Object = {
        "manager": role.manager,
        "operation": role.operation,
        "apiVersion": owned.api_version,
    }
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owned.fields
    if role.subresource:
        entry["subresource"] = role.subresource
    return entry


def entries_of(obj: Object | None) -> Any:
    """Return `metadata.managedFields` of an object, or None."""
    metadata = obj.get("metadata") if obj else None
    return metadata.get("managedFields") if type(metadata) is dict else None
