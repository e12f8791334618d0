"""One valid object of every kind that a workspace serves."""

from __future__ import annotations

from tests.fuzz.sample import (
    ADMISSION,
    ATTRIBUTES,
    AUTHENTICATION,
    AUTHORIZATION,
    CONSTRAINTS,
    CORE,
    CSR,
    EXPRESSION,
    HOOK,
    HOOKED,
    RBAC,
    RULE,
    SCHEMA,
    Sample,
    crd_version,
    names,
)
from tests.fuzz.samples_kcp import KCPS

SAMPLES = (
    *KCPS,
    Sample(
        CORE, "configmaps", "ConfigMap", {"data": {"a": "b"}, "binaryData": {"c": "ZA=="}}, True
    ),
    Sample(CORE, "secrets", "Secret", {"type": "Opaque", "stringData": {"a": "b"}}, True),
    Sample(
        CORE,
        "secrets",
        "Secret",
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}},
        True,
    ),
    Sample(
        CORE,
        "secrets",
        "Secret",
        {
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}},
            "type": "kubernetes.io/service-account-token",
        },
        True,
    ),
    Sample(
        CORE,
        "namespaces",
        "Namespace",
        {"spec": {"finalizers": ["kubernetes"]}},
        subresources=("status", "finalize"),
    ),
    Sample(CORE, "serviceaccounts", "ServiceAccount", {"secrets": [{"name": "a"}]}, True),
    Sample(
        CORE,
        "events",
        "Event",
        {
            "involvedObject": {"namespace": "default", "name": "a", "kind": "ConfigMap"},
            "reason": "r",
            "type": "Normal",
            "firstTimestamp": "2026-01-01T00:00:00Z",
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "count": 1,
        },
        True,
    ),
    Sample(
        "/apis/events.k8s.io/v1",
        "events",
        "Event",
        {
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "c.io/d",
            "reportingInstance": "i",
            "action": "act",
            "reason": "r",
            "type": "Normal",
            "regarding": {"namespace": "default", "name": "a", "kind": "ConfigMap"},
        },
        True,
    ),
    Sample(
        CORE,
        "resourcequotas",
        "ResourceQuota",
        {
            "spec": {
                "hard": {"configmaps": "1000", "count/leases.coordination.k8s.io": "500"},
                "scopes": [],
            }
        },
        True,
        subresources=("status",),
    ),
    Sample(
        "/apis/coordination.k8s.io/v1",
        "leases",
        "Lease",
        {
            "spec": {
                "holderIdentity": "a",
                "leaseDurationSeconds": 15,
                "leaseTransitions": 0,
                "acquireTime": "2026-01-01T00:00:00.000000Z",
            }
        },
        True,
    ),
    Sample(RBAC, "roles", "Role", {"rules": [RULE]}, True),
    Sample(
        RBAC,
        "clusterroles",
        "ClusterRole",
        {"rules": [RULE, {"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
    ),
    Sample(
        RBAC,
        "clusterroles",
        "ClusterRole",
        {"rules": [], "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}},
    ),
    Sample(
        RBAC,
        "rolebindings",
        "RoleBinding",
        {
            "subjects": [
                {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
                {"kind": "ServiceAccount", "name": "default", "namespace": "default"},
            ],
            "roleRef": {
                "kind": "ClusterRole",
                "name": "view",
                "apiGroup": "rbac.authorization.k8s.io",
            },
        },
        True,
    ),
    Sample(
        RBAC,
        "clusterrolebindings",
        "ClusterRoleBinding",
        {
            "subjects": [{"kind": "Group", "name": "g", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {
                "kind": "ClusterRole",
                "name": "cluster-admin",
                "apiGroup": "rbac.authorization.k8s.io",
            },
        },
    ),
    Sample(
        "/apis/certificates.k8s.io/v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        {
            "spec": {
                "request": CSR,
                "signerName": "example.com/signer",
                "usages": ["client auth"],
                "expirationSeconds": 3600,
            }
        },
        subresources=("status", "approval"),
    ),
    Sample(
        ADMISSION,
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        {"webhooks": [HOOK]},
    ),
    Sample(
        ADMISSION,
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        {
            "webhooks": [
                HOOK
                | {
                    "reinvocationPolicy": "IfNeeded",
                    "matchConditions": [{"name": "c", "expression": EXPRESSION}],
                }
            ]
        },
    ),
    Sample(
        ADMISSION,
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        {
            "spec": {
                "matchConstraints": {
                    "resourceRules": [HOOKED | {"apiGroups": [""], "resources": ["configmaps"]}]
                },
                "failurePolicy": "Ignore",
                "validations": [{"expression": EXPRESSION, "messageExpression": "'no'"}],
                "variables": [{"name": "v", "expression": "1 + 1"}],
                "auditAnnotations": [{"key": "k", "valueExpression": "'v'"}],
            }
        },
    ),
    Sample(
        ADMISSION,
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        {
            "spec": {
                "policyName": "a",
                "validationActions": ["Warn"],
                "matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}},
            }
        },
    ),
    Sample(
        ADMISSION,
        "mutatingadmissionpolicies",
        "MutatingAdmissionPolicy",
        {
            "spec": {
                "matchConstraints": CONSTRAINTS,
                "reinvocationPolicy": "Never",
                "failurePolicy": "Ignore",
                "mutations": [
                    {
                        "patchType": "ApplyConfiguration",
                        "applyConfiguration": {
                            "expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"
                        },
                    }
                ],
            }
        },
    ),
    Sample(
        ADMISSION,
        "mutatingadmissionpolicybindings",
        "MutatingAdmissionPolicyBinding",
        {"spec": {"policyName": "a"}},
    ),
    Sample(
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        {
            "spec": {
                "group": "f.example.com",
                "scope": "Namespaced",
                "names": names("{n}s"),
                "versions": [crd_version(SCHEMA)],
            }
        },
        name="{n}s.f.example.com",
        subresources=("status",),
    ),
    Sample(
        "/apis/g.example.com/v1",
        "gadgets",
        "Gadget",
        {
            "spec": {
                "size": 1,
                "any": {"a": [1]},
                "set": ["a"],
                "map": [{"k": "a", "v": 1}],
                "either": 1,
            }
        },
        True,
        subresources=("status", "scale"),
    ),
    Sample(AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", {}, stored=False),
    Sample(
        AUTHENTICATION,
        "tokenreviews",
        "TokenReview",
        {"spec": {"token": "admin", "audiences": ["a"]}},
        stored=False,
    ),
    Sample(
        AUTHORIZATION,
        "subjectaccessreviews",
        "SubjectAccessReview",
        {
            "spec": {
                "user": "u",
                "groups": ["g"],
                "extra": {"k": ["v"]},
                "resourceAttributes": ATTRIBUTES,
            }
        },
        stored=False,
    ),
    Sample(
        AUTHORIZATION,
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        {"spec": {"nonResourceAttributes": {"verb": "get", "path": "/x"}}},
        stored=False,
    ),
    Sample(
        AUTHORIZATION,
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
        {"spec": {"namespace": "default"}},
        stored=False,
    ),
    Sample(
        AUTHORIZATION,
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        {
            "metadata": {"namespace": "default"},
            "spec": {"user": "u", "resourceAttributes": ATTRIBUTES},
        },
        True,
        stored=False,
    ),
)
