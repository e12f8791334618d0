"""Webhook configurations; what they share with admission policies is here too.

Defaults and rules: k8s.io/kubernetes/pkg/apis/admissionregistration.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kcpfast.meta.errors import (
    Cause,
    field_duplicate,
    field_invalid,
    field_not_supported,
    field_required,
    field_too_many,
)
from kcpfast.meta.names import dns_subdomain, qualified_name
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.base import Strategy, default
from kcpfast.resources.resource import Object

if TYPE_CHECKING:
    from kcpfast.registry.expressions import Scope

GROUP = "admissionregistration.k8s.io"
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
VERSIONS = ("v1", "v1beta1")
_SCOPES = ("*", "Cluster", "Namespaced")
_MAX_CONDITIONS = 64
_FORM = "; desired format: https://host[/path]"
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def dns_1035_label(value: str) -> list[str]:
    """Return what is wrong with a value as an RFC 1035 label."""
    wrong = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return wrong if _LABEL_1035.fullmatch(value) else [*wrong, _LABEL_1035_TEXT]


# ------------------------------------------------------------------------- defaults


def default_rules(rules: Iterable[dict[str, Any]]) -> None:
    """Complete rules."""
    for rule in rules:
        default(rule, scope="*")


def default_matching(owner: dict[str, Any]) -> None:
    """Complete what a webhook or match resources say of the objects that they look at."""
    default(owner, matchPolicy="Equivalent", namespaceSelector={}, objectSelector={})


def _prepare(obj: Object) -> None:
    mutates = obj["kind"].startswith("Mutating")
    for hook in obj.get("webhooks") or ():
        default(hook, failurePolicy="Fail", timeoutSeconds=10)
        default_matching(hook)
        default_rules(hook.get("rules") or ())
        if mutates:
            default(hook, reinvocationPolicy="Never")
        service = (hook.get("clientConfig") or {}).get("service")
        if service:
            default(service, port=443)


# ------------------------------------------------------------------------- shared checks


def check_choice(
    owner: Mapping[str, Any], key: str, allowed: Sequence[str], field: str, *, needed: bool = False
) -> list[Cause]:
    """Check a member that is one of a few words."""
    value = owner.get(key)
    if value is None:
        return [field_required(f"{field}.{key}")] if needed else []
    return [] if value in allowed else [field_not_supported(f"{field}.{key}", value, allowed)]


def check_rule(rule: Mapping[str, Any], field: str) -> list[Cause]:
    """Check operations, groups, versions and resources of a rule."""
    causes = _check_words(rule, "operations", field)
    causes += [
        field_not_supported(f"{field}.operations[{number}]", each, OPERATIONS)
        for number, each in enumerate(rule.get("operations") or ())
        if each not in OPERATIONS
    ]
    causes += _check_words(rule, "apiGroups", field, "API groups")
    causes += _check_words(rule, "apiVersions", field, "API versions")
    causes += [
        field_required(f"{field}.apiVersions[{number}]")
        for number, each in enumerate(rule.get("apiVersions") or ())
        if not each
    ]
    causes += _check_resources(list(rule.get("resources") or ()), f"{field}.resources")
    return causes + check_choice(rule, "scope", _SCOPES, field)


def _check_words(
    rule: Mapping[str, Any], key: str, field: str, shown: str = "operations"
) -> list[Cause]:
    words = list(rule.get(key) or ())
    if not words:
        return [field_required(f"{field}.{key}")]
    if len(words) > 1 and "*" in words:
        why = f"if '*' is present, must not specify other {shown}"
        return [field_invalid(f"{field}.{key}", words, why)]
    return []


def _check_resources(resources: list[str], field: str) -> list[Cause]:
    if not resources:
        return [field_required(field)]
    causes = []
    wild = {each.rpartition("/")[0] for each in resources if each.endswith("/*")}
    everywhere = {each.partition("/")[2] for each in resources if each.startswith("*/")}
    for number, each in enumerate(resources):
        where = f"{field}[{number}]"
        plural, _, part = each.partition("/")
        if not each:
            causes.append(field_required(where))
        elif plural in wild and part not in ("", "*"):
            why = f"if '{plural}/*' is present, must not specify {each}"
            causes.append(field_invalid(where, each, why))
        elif part and part in everywhere and plural != "*":
            why = f"if '*/{part}' is present, must not specify {each}"
            causes.append(field_invalid(where, each, why))
    if len(resources) > 1 and "*/*" in resources:
        why = "if '*/*' is present, must not specify other resources"
        causes.append(field_invalid(field, resources, why))
    if "*" in resources and any("/" not in each and each != "*" for each in resources):
        why = "if '*' is present, must not specify other resources without subresources"
        causes.append(field_invalid(field, resources, why))
    return causes


def check_selectors(owner: Mapping[str, Any], field: str) -> list[Cause]:
    """Check the selectors of namespaces and objects."""
    causes = []
    for key in ("namespaceSelector", "objectSelector"):
        causes += check_object(owner.get(key) or {}, f"{field}.{key}")
    return causes


def check_conditions(
    conditions: Sequence[Mapping[str, Any]], field: str, scope: Scope
) -> list[Cause]:
    """Check match conditions: named, distinct, and expressions that give true or false."""
    from kcpfast.registry.expressions import BOOL  # noqa: PLC0415 - few workspaces have any

    if len(conditions) > _MAX_CONDITIONS:
        return [field_too_many(field, len(conditions), _MAX_CONDITIONS)]
    causes = []
    seen: set[str] = set()
    for number, each in enumerate(conditions):
        where, name = f"{field}[{number}]", each.get("name") or ""
        if not name:
            causes.append(field_required(f"{where}.name"))
        else:
            causes += [field_invalid(f"{where}.name", name, text) for text in qualified_name(name)]
        if name in seen:
            causes.append(field_duplicate(f"{where}.name", name))
        seen.add(name)
        causes += check_expression(each.get("expression"), f"{where}.expression", (BOOL,), scope)
    return causes


def check_expression(
    source: Any, field: str, results: tuple[str, ...], scope: Scope
) -> list[Cause]:
    """Check that an expression is there, compiles and gives one of some types."""
    from kcpfast.registry.expressions import compiled  # noqa: PLC0415 - few workspaces have any
    from kcpfast.schema.cel import CelError  # noqa: PLC0415 - few workspaces have any
    from kcpfast.schema.rules import worded  # noqa: PLC0415 - few workspaces have any

    text = str(source or "")
    if not text.strip():
        return [field_required(field, "" if not text else "expression is not specified")]
    try:
        compiled(text, results, scope)
    except CelError as error:
        return [field_invalid(field, text, worded(error))]
    return []


# ------------------------------------------------------------------------- webhooks


def _check(obj: Object) -> list[Cause]:
    causes = []
    seen: set[str] = set()
    for number, hook in enumerate(obj.get("webhooks") or ()):
        field = f"webhooks[{number}]"
        causes += _check_hook(hook, field)
        name = hook.get("name") or ""
        if name in seen:
            causes.append(field_duplicate(f"{field}.name", name))
        seen.add(name)
    return causes


def _check_hook(hook: Mapping[str, Any], field: str) -> list[Cause]:
    from kcpfast.registry.expressions import Scope  # noqa: PLC0415 - few workspaces have any

    causes = _check_name(hook.get("name") or "", f"{field}.name")
    causes += _check_versions(hook.get("admissionReviewVersions") or [], field)
    for number, rule in enumerate(hook.get("rules") or ()):
        causes += check_rule(rule, f"{field}.rules[{number}]")
    for key, allowed in (
        ("failurePolicy", ("Fail", "Ignore")),
        ("matchPolicy", ("Equivalent", "Exact")),
        ("reinvocationPolicy", ("IfNeeded", "Never")),
    ):
        causes += check_choice(hook, key, allowed, field)
    if hook.get("sideEffects") is None:
        why = "must specify one of None, NoneOnDryRun"
        causes.append(field_required(f"{field}.sideEffects", why))
    else:
        causes += check_choice(hook, "sideEffects", ("None", "NoneOnDryRun"), field)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        causes.append(field_invalid(f"{field}.timeoutSeconds", seconds, why))
    causes += check_selectors(hook, field)
    causes += _check_client(hook.get("clientConfig") or {}, f"{field}.clientConfig")
    conditions = hook.get("matchConditions") or ()
    return causes + check_conditions(conditions, f"{field}.matchConditions", Scope(authorizer=True))


def _check_name(name: str, field: str) -> list[Cause]:
    if not name:
        return [field_required(field)]
    wrong = dns_subdomain(name)
    if not wrong and name.count(".") < 2:
        wrong = ["should be a domain with at least three segments separated by dots"]
    return [field_invalid(field, name, text) for text in wrong]


def _check_versions(versions: list[str], hook: str) -> list[Cause]:
    field = f"{hook}.admissionReviewVersions"
    if not versions:
        return [field_required(field, f"must specify one of {', '.join(VERSIONS)}")]
    causes = []
    for number, each in enumerate(versions):
        where = f"{field}[{number}]"
        if each in versions[:number]:
            causes.append(field_invalid(where, each, "duplicate version"))
            continue
        causes += [field_invalid(where, each, text) for text in dns_1035_label(each)]
    if not set(VERSIONS) & set(versions):
        why = f"must include at least one of {', '.join(VERSIONS)}"
        causes.append(field_invalid(field, versions, why))
    return causes


def _check_client(client: Mapping[str, Any], field: str) -> list[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        return [field_required(field, "exactly one of url or service is required")]
    causes = check_url(str(url), f"{field}.url") if url is not None else []
    if service is not None:
        causes += _check_service(service, f"{field}.service")
    if client.get("caBundle"):
        causes += _check_bundle(client["caBundle"], f"{field}.caBundle")
    return causes


def check_url(url: str, field: str) -> list[Cause]:
    """Check where a webhook is: https, a host, nothing that does not belong into its URL."""
    try:
        parts = urlsplit(url)
        port = parts.port  # noqa: F841 - read for the error that a bad one raises
    except ValueError as error:
        return [field_required(field, f"url must be a valid URL: {error}{_FORM}")]
    causes = []
    if parts.scheme != "https":
        why = "'https' is the only allowed URL scheme" + _FORM
        causes.append(field_invalid(field, parts.scheme, why))
    if not parts.hostname:
        causes.append(field_invalid(field, parts.netloc, "host must be specified" + _FORM))
    user = parts.netloc.rpartition("@")[0]
    for value, what in (
        (user, "user information is"),
        (parts.fragment, "fragments are"),
        (parts.query, "query parameters are"),
    ):
        if value:
            causes.append(field_invalid(field, value, f"{what} not permitted in the URL"))
    return causes


def _check_service(service: Mapping[str, Any], field: str) -> list[Cause]:
    causes = [
        field_required(f"{field}.{key}", f"service {key} is required")
        for key in ("name", "namespace")
        if not service.get(key)
    ]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        why = "must be between 1 and 65535, inclusive"
        causes.append(field_invalid(f"{field}.port", port, f"port is not valid: {why}"))
    path = service.get("path")
    if path is not None and not path.startswith("/"):
        causes.append(field_invalid(f"{field}.path", path, "must start with a '/'"))
    return causes


def _check_bundle(encoded: str, field: str) -> list[Cause]:
    from ssl import SSLError, create_default_context  # noqa: PLC0415 - few configurations have any

    try:
        create_default_context(cadata=b64decode(encoded).decode("ascii"))
    except (SSLError, ValueError) as error:
        return [field_invalid(field, "<bundle>", f"unable to load root certificates: {error}")]
    return []


def _strategy(check: Callable[[Object], list[Cause]]) -> Strategy:
    return Strategy(
        prepare_create=_prepare,
        prepare_update=lambda new, _old: _prepare(new),
        validate=check,
        validate_update=lambda new, _old: check(new),
    )


STRATEGIES: dict[tuple[str, str], Strategy] = {
    (GROUP, "mutatingwebhookconfigurations"): _strategy(_check),
    (GROUP, "validatingwebhookconfigurations"): _strategy(_check),
}
