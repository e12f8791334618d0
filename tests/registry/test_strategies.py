"""What each built-in kind says of objects: its defaults, and the fields it finds wrong."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kcpfast.registry.strategies import crd, strategy
from kcpfast.registry.strategies.admissionregistration.webhooks import check_client
from kcpfast.resources.builtin import BY_PLACE
from kcpfast.resources.resource import Object

ADMISSION, CERTIFICATES = "admissionregistration.k8s.io", "certificates.k8s.io"
KINDS = {each.kind: each for each in BY_PLACE.values() if each.group != "events.k8s.io"}


def certificate_request() -> str:
    """Return the PEM of a request, in base64."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def wrong_fields(kind: str, obj: Object, old: Object | None = None) -> list[str]:
    """Prepare and check a new object, or a changed status; return `field Reason` of each cause."""
    rules = strategy(KINDS[kind])
    obj = {"metadata": {"name": "x", "namespace": "default"}, **obj}
    if old is None:
        rules.prepare_create(obj)
        found = rules.validate(obj)
    else:
        rules.prepare_status(obj, old)
        found = rules.validate_update(obj, old)
    return [f"{each.field} {each.reason.removeprefix('FieldValue')}" for each in found]


def set_at(obj: Any, path: str, value: object) -> None:
    """Set, or for `...` take out, a member at a dotted path with indexes."""
    *parents, last = path.split(".")
    for name in parents:
        obj = obj[int(name)] if name.isdigit() else obj[name]
    if value is ...:
        del obj[last]
    elif isinstance(obj, list):
        obj[int(last)] = value
    else:
        obj[last] = value


def rule() -> Object:
    return {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["secrets"],
    }


def hook() -> Object:
    return {
        "name": "h.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [rule()],
    }


WEBHOOK_CASES: list[tuple[str, object, list[str]]] = [
    ("name", "short", ["name Invalid"]),
    ("name", "No.Upper.case", ["name Invalid"]),
    ("name", ..., ["name Required"]),
    ("sideEffects", ..., ["sideEffects Required"]),
    ("sideEffects", "Some", ["sideEffects NotSupported"]),
    ("failurePolicy", "Maybe", ["failurePolicy NotSupported"]),
    ("matchPolicy", "Near", ["matchPolicy NotSupported"]),
    ("timeoutSeconds", 31, ["timeoutSeconds Invalid"]),
    ("admissionReviewVersions", [], ["admissionReviewVersions Required"]),
    ("admissionReviewVersions", ["v2"], ["admissionReviewVersions Invalid"]),
    ("admissionReviewVersions", ["v1", "v1"], ["admissionReviewVersions[1] Invalid"]),
    ("clientConfig", {}, ["clientConfig Required"]),
    ("clientConfig.url", "http://x", ["clientConfig.url Invalid"]),
    ("clientConfig.url", "https://u@x/?q#f", ["clientConfig.url Invalid"] * 3),
    ("clientConfig", {"service": {}}, [
        "clientConfig.service.name Required", "clientConfig.service.namespace Required"]),
    ("clientConfig", {"service": {"name": "s", "namespace": "n", "path": "/a//b", "port": 0}}, [
        "clientConfig.service.port Invalid", "clientConfig.service.path Invalid"]),
    ("rules.0.operations", ["*", "CREATE"], ["rules[0].operations Invalid"]),
    ("rules.0.operations", ["PATCH"], ["rules[0].operations[0] NotSupported"]),
    ("rules.0.apiVersions", [], ["rules[0].apiVersions Required"]),
    ("rules.0.resources", ["pods/*", "pods/log"], ["rules[0].resources[1] Invalid"]),
    ("rules.0.resources", ["*", "pods"], ["rules[0].resources Invalid"]),
    ("rules.0.resources", ["*/*", "pods"], ["rules[0].resources Invalid"]),
    ("rules.0.scope", "Global", ["rules[0].scope NotSupported"]),
    ("namespaceSelector", {"matchExpressions": [{"key": "a", "operator": "In"}]}, [
        "namespaceSelector.matchExpressions[0].values Required"]),
    ("matchConditions", [{"name": "a", "expression": "1"}], [
        "matchConditions[0].expression Invalid"]),
    ("matchConditions", [{"name": "a", "expression": "true"}] * 2, [
        "matchConditions[1].name Duplicate"]),
    ("matchConditions", [{"name": "a", "expression": "params.x == 1"}], [
        "matchConditions[0].expression Invalid"]),
    ("name", "h.example.com", []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "wrong"), WEBHOOK_CASES)
@pytest.mark.parametrize("kind", ["Mutating", "Validating"])
def test_webhooks_are_checked(kind: str, path: str, value: object, wrong: list[str]) -> None:
    made = hook()
    set_at(made, path, value)
    found = wrong_fields(f"{kind}WebhookConfiguration", {"webhooks": [made]})
    assert found == [f"webhooks[0].{each}" for each in wrong]


FORM = "; desired format: https://host[/path]"
# What is said of an address, with the words of Go's url.Parse; "" of one that is good.
URLS = [
    ("https://here", ""),
    ("https://here:443/a/b", ""),
    ("https://[::1]:8443/x", ""),
    ("https://127.0.0.1/%41", ""),
    ("https://169.254.169.254/a b", ""),
    ("https://here/?", ""),
    ("HTTPS://here", ""),
    ("http://here", "'https' is the only allowed URL scheme"),
    ("ftp://here", "'https' is the only allowed URL scheme"),
    ("https:/here", "host must be specified"),
    ("https:here", "host must be specified"),
    ("https://", "host must be specified"),
    ("", "'https' is the only allowed URL scheme"),
    ("here/x", "'https' is the only allowed URL scheme"),
    (":443/x", "missing protocol scheme"),
    ("here:443/x", "'https' is the only allowed URL scheme"),
    ("127.0.0.1:443/x", "first path segment in URL cannot contain colon"),
    (" https://here", "first path segment in URL cannot contain colon"),
    ("https://here/\r\nX: y", "net/url: invalid control character in URL"),
    ("https://here/\n", "net/url: invalid control character in URL"),
    ("https://here\x00", "net/url: invalid control character in URL"),
    ("https://here/\x7f", "net/url: invalid control character in URL"),
    ("https://he re/x", 'invalid character " " in host name'),
    ("https://here /x", 'invalid character " " in host name'),
    ("https://he\\re/x", "in host name"),
    ("https://here/%zz", 'invalid URL escape "%zz"'),
    ("https://%41here/", 'invalid URL escape "%41"'),
    ("https://[::1/x", "missing ']' in host"),
    ("https://here:port/x", 'invalid port ":port" after host'),
    ("https://here:-1/x", 'invalid port ":-1" after host'),
    ("https://here:65536/x", "port is not valid: must be between 1 and 65535, inclusive"),
    ("https://here:0/x", "port is not valid: must be between 1 and 65535, inclusive"),
    (f"https://here:{'9' * 5000}/x", "port is not valid: must be between 1 and 65535, inclusive"),
    ("https://me@here/x", "user information is not permitted in the URL"),
    ("https://me:secret@here/x", "user information is not permitted in the URL"),
    ("https://@here/x", "user information is not permitted in the URL"),
    ("https://m e@here/x", "net/url: invalid userinfo"),
    ("https://here/x?a=b", "query parameters are not permitted in the URL"),
    ("https://here?a", "query parameters are not permitted in the URL"),
    ("https://here/x#a", "fragments are not permitted in the URL"),
    ("https://here#a?b", "fragments are not permitted in the URL"),
]


@pytest.mark.parametrize(("url", "why"), URLS)
def test_addresses_of_webhooks_are_checked(url: str, why: str) -> None:
    found = [(each.field, each.message) for each in check_client({"url": url}, "at")]
    assert [field for field, _ in found] == (["at.url"] * len(found) if why else [])
    assert why in "".join(message for _, message in found)
    assert "valid URL" not in "".join(text for _, text in found) or found[0][1].endswith(FORM)


@pytest.mark.parametrize(("url", "why"), URLS)
def test_addresses_of_conversions_are_checked_alike(url: str, why: str) -> None:
    client = {"url": url}
    spec = {"strategy": "Webhook", "webhook": {
        "clientConfig": client, "conversionReviewVersions": ["v1"]}}  # fmt: skip
    found = crd._check_conversion(spec, "spec.conversion")
    assert found == check_client(client, "spec.conversion.webhookClientConfig")
    assert bool(found) == bool(why)


def test_webhooks_are_defaulted() -> None:
    obj = {"metadata": {}, "webhooks": [hook()]}
    strategy(KINDS["MutatingWebhookConfiguration"]).prepare_create(obj)
    made = obj["webhooks"][0]  # type: ignore[index]
    assert made["rules"][0]["scope"] == "*"
    assert {key: made[key] for key in made if key not in hook()} == {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
        "timeoutSeconds": 10,
    }


def policy() -> Object:
    return {
        "matchConstraints": {"resourceRules": [rule()]},
        "paramKind": {"apiVersion": "rules.example.com/v1", "kind": "Limit"},
        "variables": [
            {"name": "size", "expression": "object.spec.replicas"},
            {"name": "big", "expression": "variables.size > params.max"},
        ],
        "validations": [{"expression": "!variables.big", "messageExpression": "'too big'"}],
        "auditAnnotations": [{"key": "size", "valueExpression": "string(variables.size)"}],
    }


POLICY_CASES: list[tuple[str, object, list[str]]] = [
    ("failurePolicy", "Fail", []),
    ("failurePolicy", "Ask", ["failurePolicy NotSupported"]),
    ("matchConstraints", ..., ["matchConstraints Required"]),
    ("matchConstraints.resourceRules", [], ["matchConstraints.resourceRules Required"]),
    ("matchConstraints.resourceRules.0.resourceNames", ["a", "a"], [
        "matchConstraints.resourceRules[0].resourceNames[1] Duplicate"]),
    ("paramKind.apiVersion", "a/b/c", ["paramKind.apiVersion Invalid"]),
    ("paramKind.kind", ..., ["paramKind.kind Required"]),
    ("variables.0.name", "in", ["variables[0].name Invalid", "variables[1].expression Invalid",
        "validations[0].expression Invalid", "auditAnnotations[0].valueExpression Invalid"]),
    ("validations.0.expression", "object.", ["validations[0].expression Invalid"]),
    ("validations.0.expression", "'a'", ["validations[0].expression Invalid"]),
    ("validations.0.expression", " ", ["validations[0].expression Required"]),
    ("validations.0.message", "a\nb", ["validations[0].message Invalid"]),
    ("validations.0.messageExpression", "authorizer.path('/').check('get').reason()", [
        "validations[0].messageExpression Invalid"]),
    ("validations.0.reason", "NotFound", ["validations[0].reason NotSupported"]),
    ("auditAnnotations.0.key", "a b", ["auditAnnotations[0].key Invalid"]),
    ("auditAnnotations.0.valueExpression", "true", [
        "auditAnnotations[0].valueExpression Invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "wrong"), POLICY_CASES)
def test_policies_are_checked(path: str, value: object, wrong: list[str]) -> None:
    spec = policy()
    set_at(spec, path, value)
    found = wrong_fields("ValidatingAdmissionPolicy", {"spec": spec})
    assert found == [f"spec.{each}" for each in wrong]


APPLY = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}
PATCH = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove'}]"}}
MUTATIONS: list[tuple[list[Object], list[str]]] = [
    ([APPLY, PATCH], []),
    ([], ["mutations Required"]),
    ([{}], ["mutations[0].patchType Required"]),
    ([{"patchType": "Diff"}], ["mutations[0].patchType NotSupported"]),
    ([APPLY | {"patchType": "JSONPatch"}], [
        "mutations[0].applyConfiguration Invalid", "mutations[0].jsonPatch Required"]),
    ([{"patchType": "JSONPatch", "jsonPatch": {"expression": "1"}}], [
        "mutations[0].jsonPatch.expression Invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("mutations", "wrong"), MUTATIONS)
def test_mutations_are_checked(mutations: list[Object], wrong: list[str]) -> None:
    spec = {
        "matchConstraints": {"resourceRules": [rule()]},
        "mutations": mutations,
        "reinvocationPolicy": "Never",
    }
    found = wrong_fields("MutatingAdmissionPolicy", {"spec": spec})
    assert found == [f"spec.{each}" for each in wrong]


BINDINGS: list[tuple[Object, list[str]]] = [
    ({"policyName": "p", "validationActions": ["Deny"]}, []),
    ({}, ["policyName Required", "validationActions Required"]),
    ({"policyName": "p", "validationActions": ["Deny", "Warn", "Deny"]}, [
        "validationActions[2] Duplicate", "validationActions Invalid"]),
    ({"policyName": "p", "validationActions": ["Deny"], "paramRef": {}}, [
        "paramRef Required", "paramRef.parameterNotFoundAction Required"]),
    ({"policyName": "p", "validationActions": ["Deny"],
      "paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Deny"}}, [
        "paramRef.name Forbidden", "paramRef.selector Forbidden"]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "wrong"), BINDINGS)
def test_policy_bindings_are_checked(spec: Object, wrong: list[str]) -> None:
    found = wrong_fields("ValidatingAdmissionPolicyBinding", {"spec": spec})
    assert found == [f"spec.{each}" for each in wrong]


def request() -> Object:
    spec = {"request": certificate_request(), "signerName": "a.b/c", "usages": ["client auth"]}
    return {"spec": spec, "status": {}}


CERTIFICATE_CASES: list[tuple[str, object, list[str]]] = [
    ("spec.signerName", "a.b/c", []),
    ("spec.request", "eA==", ["spec.request Invalid"]),
    ("spec.request", "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K", ["spec.request Invalid"]),
    ("spec.signerName", ..., ["spec.signerName Required"]),
    ("spec.signerName", "nodomain", ["spec.signerName Invalid"]),
    ("spec.signerName", "local/x", ["spec.signerName Invalid"]),
    ("spec.signerName", "kubernetes.io/legacy-unknown", ["spec.signerName Invalid"]),
    ("spec.usages", [], ["spec.usages Required"]),
    ("spec.usages", ["any", "any", "x"], [
        "spec.usages[1] Duplicate", "spec.usages[2] NotSupported"]),
    ("spec.expirationSeconds", 599, ["spec.expirationSeconds Invalid"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "wrong"), CERTIFICATE_CASES)
def test_certificate_requests_are_checked(path: str, value: object, wrong: list[str]) -> None:
    obj = request()
    set_at(obj, path, value)
    assert wrong_fields("CertificateSigningRequest", obj) == wrong


DENIED = {"type": "Denied", "status": "True"}
APPROVED = {"type": "Approved", "status": "True"}
DECISIONS: list[tuple[list[Object], list[Object], list[str]]] = [
    ([], [APPROVED], []),
    ([APPROVED], [], ["status.conditions Forbidden"]),
    ([APPROVED], [APPROVED, DENIED], ["status.conditions[1].type Invalid"]),
    ([], [{"type": "Approved", "status": "False"}], ["status.conditions[0].status NotSupported"]),
    ([], [{"type": "Other", "status": "False"}] * 2, ["status.conditions[1].type Duplicate"]),
]


@pytest.mark.parametrize(("before", "after", "wrong"), DECISIONS)
def test_decisions_about_certificates(
    before: list[Object], after: list[Object], wrong: list[str]
) -> None:
    old, new = request(), request()
    old["status"] = {"conditions": [dict(each) for each in before]}
    new["status"] = {"conditions": [dict(each) for each in after]}
    strategy(KINDS["CertificateSigningRequest"]).prepare_status(old, old)
    assert wrong_fields("CertificateSigningRequest", new, old) == wrong
    assert all("lastTransitionTime" in each for each in new["status"]["conditions"])


OTHER_CASES: list[tuple[str, Object, list[str]]] = [
    ("ConfigMap", {"data": {"a/b": ""}}, ["data[a/b] Invalid"]),
    ("ConfigMap", {"data": {"a": ""}, "binaryData": {"a": ""}}, ["data[a] Invalid"]),
    ("Event", {"involvedObject": {"namespace": "other"}}, ["involvedObject.namespace Invalid"]),
    ("Event", {"eventTime": "2024-01-01T00:00:00.000000Z", "reportingComponent": "x/y",
      "involvedObject": {"namespace": "default"}, "message": "m" * 1025}, [
        "reportingInstance Required", "action Required", "reason Required", "message Invalid"]),
    ("Lease", {"spec": {"leaseDurationSeconds": 0, "holderIdentity": ""}}, [
        "spec.leaseDurationSeconds Invalid", "spec.holderIdentity Invalid"]),
    ("Lease", {"spec": {"preferredHolder": "a"}}, ["spec.preferredHolder Forbidden"]),
    ("ResourceQuota", {"spec": {"hard": {"pods": "1.5", "boxes": "1", "cpu": "-1", "a/b": "x"}}}, [
        "spec.hard[pods] Invalid", "spec.hard[boxes] Invalid", "spec.hard[cpu] Invalid",
        "spec.hard[a/b] Invalid"]),
    ("ResourceQuota", {"spec": {"scopes": ["Terminating", "NotTerminating"]}}, [
        "spec.scopes Invalid"]),
    ("ResourceQuota", {"spec": {"hard": {"cpu": "1500m", "count/widgets.example.com": "3"}}}, []),
    ("Role", {"rules": [{}]}, [
        "rules[0].verbs Required", "rules[0].apiGroups Required", "rules[0].resources Required"]),
    ("Secret", {"type": "kubernetes.io/tls"}, [
        "data[tls.crt] Required", "data[tls.key] Required"]),
    ("Secret", {"type": "kubernetes.io/service-account-token"}, [
        "metadata.annotations[kubernetes.io/service-account.name] Required"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "obj", "wrong"), OTHER_CASES)
def test_other_kinds_are_checked(kind: str, obj: Object, wrong: list[str]) -> None:
    assert wrong_fields(kind, obj) == wrong


def test_service_accounts_keep_only_names_of_secrets() -> None:
    obj: Object = {"metadata": {}, "secrets": [{"name": "a", "kind": "Secret", "namespace": "b"}]}
    strategy(KINDS["ServiceAccount"]).prepare_create(obj)
    assert obj["secrets"] == [{"name": "a"}]
