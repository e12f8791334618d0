"""ObjectMeta: the fields that the server fills in, and the rules for those that clients send.

Checks and texts: k8s.io/apimachinery/pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from kcpfast._core.decoded import is_plain
from kcpfast.meta.errors import (
    MAX_CAUSES,
    Cause,
    field_forbidden,
    field_invalid,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import (
    NameRule,
    check_annotations,
    check_labels,
    dns_label,
    generated,
    qualified_name,
)

# No vowels and no digits that look like letters: k8s.io/apimachinery/pkg/util/rand/rand.go.
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
IMMUTABLE = "field is immutable"
_IMMUTABLE_FIELDS = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
# The bits of a UUID that its version and its variant take (RFC 9562, section 5.4): four at bit 76,
# two at bit 62. All others are random.
_FREE = ~(0xF << 76 | 0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


def now() -> str:
    """Return the time as metav1.Time: RFC 3339, whole seconds, UTC."""
    return _text(int(time.time()))


@lru_cache(maxsize=2)
def _text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def now_micro() -> str:
    """Return the time as metav1.MicroTime."""
    seconds = time.time()
    micros = int(seconds % 1 * 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{micros:06d}Z"


def new_uid() -> str:
    """Return a random UUID (RFC 9562, version 4).

    Danger: it is unique, but can be guessed by who has seen enough of them; never a secret.
    """
    number = random.getrandbits(128) & _FREE | _VERSION_4
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def generate_name(prefix: str) -> str:
    """Return a prefix, cut to 58 characters, with five random ones behind it.

    Source: k8s.io/apiserver/pkg/storage/names/generate.go.
    """
    return prefix[:58] + "".join(random.choices(_SUFFIX, k=5))


def check_meta(
    meta: Mapping[str, Any], rule: NameRule, *, namespaced: bool, field: str = "metadata"
) -> list[Cause]:
    """Return what is wrong with the metadata of a new object.

    `rule` is the naming rule of its kind, `field` the path of the metadata in its object.
    """
    causes = []
    name, prefix = meta.get("name", ""), meta.get("generateName", "")
    if prefix:
        path = f"{field}.generateName"
        causes += [field_invalid(path, prefix, text) for text in generated(rule)(prefix)]
    if not name:
        causes.append(field_required(f"{field}.name", "name or generateName is required"))
    else:
        for wrong in rule(name):
            causes.append(field_invalid(f"{field}.name", name, wrong))
    namespace = meta.get("namespace", "")
    if namespaced and not namespace:
        causes.append(field_required(f"{field}.namespace"))
    elif namespaced:
        for wrong in dns_label(namespace):
            causes.append(field_invalid(f"{field}.namespace", namespace, wrong))
    elif namespace:
        causes.append(field_forbidden(f"{field}.namespace", "not allowed on this type"))
    return causes + _check_common(meta, field)


def _check_common(meta: Mapping[str, Any], field: str) -> list[Cause]:
    # The kernel knows most metadata to be valid without going through the rules.
    if type(meta) is dict and is_plain(meta):
        return []
    causes = []
    generation = meta.get("generation") or 0
    if isinstance(generation, int) and generation < 0:
        detail = "must be greater than or equal to 0"
        causes.append(field_invalid(f"{field}.generation", generation, detail))
    for name, check in _PARTS:
        part = meta.get(name)
        if part:
            causes += check(part, f"{field}.{name}")
    return causes


# Ours, not upstream's: the garbage collector looks at all owners of an object for each of them.
MOST_OWNERS = 1000


def check_owners(owners: Any, field: str) -> list[Cause]:
    """Check owner references: complete, not too many, and one controller at most."""
    if len(owners) > MOST_OWNERS:
        return [field_too_many(field, len(owners), MOST_OWNERS)]
    causes = []
    for owner in owners:
        if not owner.get("apiVersion"):
            causes.append(field_invalid(f"{field}.apiVersion", "", "version must not be empty"))
        missing = [key for key in ("kind", "name", "uid") if not owner.get(key)]
        causes += [field_invalid(f"{field}.{key}", "", "must not be empty") for key in missing]
        if _is_event(owner):
            causes.append(field_invalid(field, owner, "is disallowed from being an owner"))
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        detail = 'Only one reference can have Controller set to true. Found "true" in references'
        causes.append(field_invalid(field, list(owners), detail))
    return causes


def _is_event(owner: Mapping[str, Any]) -> bool:
    return owner.get("kind") == "Event" and owner.get("apiVersion") in ("v1", "events.k8s.io/v1")


def check_finalizers(finalizers: Any, field: str) -> list[Cause]:
    """Check that finalizers are names, and not those of two ways of deletion at once."""
    causes = []
    for index, name in enumerate(finalizers):
        wrong = qualified_name(name)
        causes += [field_invalid(f"{field}[{index}]", name, text) for text in wrong]
        if len(causes) > MAX_CAUSES:  # the answer holds no more
            return causes
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        causes.append(field_invalid(field, list(finalizers), detail))
    return causes


def check_kube_finalizers(finalizers: Any, field: str) -> list[Cause]:
    """Check that finalizers are well known or have a domain in front of a slash.

    Which kinds are so strict: those that pkg/apis/core/validation's ValidateObjectMeta checks.
    """
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    causes = []
    for index, name in enumerate(finalizers):
        if _is_unqualified(name):
            causes.append(field_invalid(f"{field}[{index}]", name, detail))
        if len(causes) > MAX_CAUSES:  # the answer holds no more
            break
    return causes


def finalizer_warnings(meta: Mapping[str, Any], old: Mapping[str, Any] | None) -> list[str]:
    """Return what who adds unqualified finalizers to a custom resource is warned of.

    Source: apiextensions-apiserver/pkg/registry/customresource/validator.go.
    """
    if not meta.get("finalizers"):
        return []
    warnings = []
    for name in sorted(set(_added_finalizers(meta, old or {}))):
        if _is_unqualified(name):
            path = " including a path (/)" if "." in name else ""
            warnings.append(
                f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name{path} '
                f"to avoid accidental conflicts with other finalizer writers"
            )
    return warnings


def _is_unqualified(name: str) -> bool:
    return "/" not in name and name not in STANDARD_FINALIZERS


_PARTS: tuple[tuple[str, Callable[[Any, str], list[Cause]]], ...] = (
    ("labels", check_labels),
    ("annotations", check_annotations),
    ("ownerReferences", check_owners),
    ("finalizers", check_finalizers),
)


def check_meta_update(
    meta: Mapping[str, Any], old: Mapping[str, Any], field: str = "metadata"
) -> list[Cause]:
    """Check metadata of an update against what is stored.

    Each cause about an immutable field comes twice, as upstream: rest.BeforeUpdate checks the
    metadata of all kinds, and the strategy of each kind checks it again.
    """
    return 2 * _check_kept(meta, old, field) + _check_common(meta, field)


def _check_kept(meta: Mapping[str, Any], old: Mapping[str, Any], field: str) -> list[Cause]:
    """Check what an update must keep or may only change in one direction."""
    causes = []
    # What is being deleted must get rid of its finalizers: a new one could hold it for ever.
    added = _added_finalizers(meta, old) if old.get("deletionTimestamp") else []
    if added:
        detail = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"{_go_list(added)}"
        )
        causes.append(field_forbidden(f"{field}.finalizers", detail))
    generation, old_generation = meta.get("generation") or 0, old.get("generation") or 0
    if generation < old_generation:
        causes.append(field_invalid(f"{field}.generation", generation, "must not be decremented"))
    for key in _IMMUTABLE_FIELDS:
        value = meta.get(key)
        if value != old.get(key):
            causes.append(field_invalid(f"{field}.{key}", value, IMMUTABLE))
    return causes


def _added_finalizers(meta: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    old_finalizers = set(old.get("finalizers") or ())
    return [name for name in meta.get("finalizers") or () if name not in old_finalizers]


def _go_list(values: list[str]) -> str:
    """Return a list of finalizers, which hold no spaces, as Go's %#v prints it."""
    quoted = " ".join(f'"{value}"' for value in values)
    return "[]string{" + quoted.replace(" ", ", ") + "}"
