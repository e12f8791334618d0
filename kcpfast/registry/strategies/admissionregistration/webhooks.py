"""Webhook configurations."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.errors import Cause, field_duplicate, field_invalid, field_required
from kcpfast.meta.names import dns_1035_label, dns_subdomain
from kcpfast.meta.selectors import check_object
from kcpfast.registry.strategies.admissionregistration.rules import (
    Spec,
    check_conditions,
    check_rule,
    default_rules,
    one_of,
)
from kcpfast.registry.strategies.base import Strategy
from kcpfast.resources.resource import Object

ADMISSION_GROUP = "admissionregistration.k8s.io"
_DEFAULTS: dict[str, Any] = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
}
_REVIEWS = ("v1", "v1beta1")
_NO_EFFECTS = ("None", "NoneOnDryRun")
_MOST_PORT = 65535
_BAD_PORT = f"port is not valid: must be between 1 and {_MOST_PORT}, inclusive"
_FORM = "; desired format: https://host[/path]"


def _prepare(obj: Object, *, mutates: bool) -> None:
    for hook in obj.get("webhooks") or ():
        for key, value in _DEFAULTS.items():
            hook.setdefault(key, dict(value) if isinstance(value, dict) else value)
        if mutates:
            hook.setdefault("reinvocationPolicy", "Never")
        default_rules(hook.get("rules"))
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)


def _check(obj: Object) -> list[Cause]:
    causes = []
    names: set[str] = set()
    for index, hook in enumerate(obj.get("webhooks") or ()):
        field, name = f"webhooks[{index}]", hook.get("name") or ""
        causes += _check_hook(hook, field)
        causes += _check_reviews(hook, f"{field}.admissionReviewVersions")
        if name and name in names:
            causes.append(field_duplicate(f"{field}.name", name))
        names.add(name)
    return causes


def _check_hook(hook: Spec, field: str) -> list[Cause]:
    causes = _check_name(hook.get("name") or "", f"{field}.name")
    for index, rule in enumerate(hook.get("rules") or ()):
        causes += check_rule(rule, f"{field}.rules[{index}]")
    causes += one_of(hook, "failurePolicy", ("Fail", "Ignore"), field)
    causes += one_of(hook, "matchPolicy", ("Equivalent", "Exact"), field)
    if hook.get("sideEffects") is None:
        message = f"must specify one of {', '.join(_NO_EFFECTS)}"
        causes.append(field_required(f"{field}.sideEffects", message))
    causes += one_of(hook, "sideEffects", _NO_EFFECTS, field)
    seconds = hook.get("timeoutSeconds", 10)
    if not 1 <= seconds <= 30:
        message = "the timeout value must be between 1 and 30 seconds"
        causes.append(field_invalid(f"{field}.timeoutSeconds", seconds, message))
    for key in ("namespaceSelector", "objectSelector"):
        causes += check_object(hook.get(key) or {}, f"{field}.{key}")
    causes += check_client(hook.get("clientConfig") or {}, f"{field}.clientConfig")
    causes += check_conditions(
        hook.get("matchConditions"), f"{field}.matchConditions", params=False
    )
    return causes + one_of(hook, "reinvocationPolicy", ("IfNeeded", "Never"), field)


def _check_name(name: str, field: str) -> list[Cause]:
    if not name:
        return [field_required(field)]
    wrong = dns_subdomain(name)
    if wrong:
        return [field_invalid(field, name, ",".join(wrong))]
    if name.count(".") < 2:
        message = "should be a domain with at least three segments separated by dots"
        return [field_invalid(field, name, message)]
    return []


def _check_reviews(hook: Spec, field: str) -> list[Cause]:
    versions = hook.get("admissionReviewVersions") or ()
    if not versions:
        return [field_required(field, f"must specify one of {', '.join(_REVIEWS)}")]
    causes = []
    for index, version in enumerate(versions):
        version_field = f"{field}[{index}]"
        if version in versions[:index]:
            causes.append(field_invalid(version_field, version, "duplicate version"))
            continue
        causes += [
            field_invalid(version_field, version, message) for message in dns_1035_label(version)
        ]
    if not any(version in _REVIEWS for version in versions):
        message = f"must include at least one of {', '.join(_REVIEWS)}"
        causes.append(field_invalid(field, list(versions), message))
    return causes


def check_client(config: Spec, field: str) -> list[Cause]:
    """Check where a webhook is: at a URL, or behind a service."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [field_required(field, "exactly one of url or service is required")]
    if url is not None:
        return _check_url(url, f"{field}.url")
    assert service is not None
    return _check_service(service, f"{field}.service")


def _check_url(url: str, field: str) -> list[Cause]:
    """Check an address as ValidateWebhookURL of k8s.io/apiserver/pkg/util/webhook does.

    A port that no address has is refused, too: upstream keeps it, and every call fails.
    """
    # With the expressions, which a start does without.
    from kcpfast.schema.cel import CelError  # noqa: PLC0415
    from kcpfast.schema.cel.library.url import parse, port  # noqa: PLC0415

    text, _, fragment = url.partition("#")
    try:
        parts = parse(text, relative=True)
    except CelError as error:
        return [field_required(field, f"url must be a valid URL: {error}{_FORM}")]
    causes = []
    if parts.scheme != "https":
        message = f"'https' is the only allowed URL scheme{_FORM}"
        causes.append(field_invalid(field, parts.scheme, message))
    if not parts.host:
        causes.append(field_invalid(field, "", f"host must be specified{_FORM}"))
    number = port(parts)
    if number and not _is_port(number):
        causes.append(field_invalid(field, number, _BAD_PORT))
    for value, what in (
        (parts.user, "user information is"),
        (fragment or None, "fragments are"),
        (parts.query or None, "query parameters are"),
    ):
        if value is not None:
            causes.append(field_invalid(field, value, f"{what} not permitted in the URL"))
    return causes


def _is_port(digits: str) -> bool:
    kept = digits.lstrip("0")
    return 0 < len(kept) <= 5 and int(kept) <= _MOST_PORT


def _check_service(service: Spec, field: str) -> list[Cause]:
    causes = [
        field_required(f"{field}.{key}", f"service {key} is required")
        for key in ("name", "namespace")
        if not service.get(key)
    ]
    port = service.get("port", 443)
    if not 1 <= port <= _MOST_PORT:
        causes.append(field_invalid(f"{field}.port", port, _BAD_PORT))
    path = service.get("path") or "/"
    path_field = f"{field}.path"
    if not path.startswith("/"):
        causes.append(field_invalid(path_field, path, "must start with a '/'"))
    if path == "/":
        return causes
    for index, step in enumerate(path[1:].removesuffix("/").split("/")):
        if not step:
            causes.append(field_invalid(path_field, path, f"segment[{index}] may not be empty"))
            continue
        wrong = dns_subdomain(step)
        causes += [
            field_invalid(path_field, path, f"segment[{index}]: {message}") for message in wrong
        ]
    return causes


def _strategy(*, mutates: bool) -> Strategy:
    return Strategy(
        qualified_finalizers=False,
        prepare_create=lambda obj: _prepare(obj, mutates=mutates),
        prepare_update=lambda new, _old: _prepare(new, mutates=mutates),
        validate=_check,
        validate_update=lambda new, _old: _check(new),
    )


STRATEGIES = {
    (ADMISSION_GROUP, "mutatingwebhookconfigurations"): _strategy(mutates=True),
    (ADMISSION_GROUP, "validatingwebhookconfigurations"): _strategy(mutates=False),
}
