"""From a CRD to an APIResourceSchema: what a provider publishes of a type that it has.

Rules: kcp's CRDToAPIResourceSchema, with the defaults that apiextensions.k8s.io/v1 fills in. Pure,
and light to import: `kubectl kcp crd snapshot` and programs that publish APIs use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kcpfast.meta.names import dns_subdomain

Object = dict[str, Any]
# members of a CRD's version that are taken over as they are, if they are set
_VERSION = ("deprecated", "deprecationWarning", "additionalPrinterColumns", "selectableFields")


def crd_to_api_resource_schema(crd: Mapping[str, Any], prefix: str) -> Object:
    """Return the APIResourceSchema `<prefix>.<name of the CRD>` for an apiextensions.k8s.io/v1 CRD.

    The CRD is left as it is, its schemas are shared with the result. ValueError if the name would
    be none, or if the CRD's versions are converted by a webhook that has no URL of its own.
    """
    name = f"{prefix}.{(crd.get('metadata') or {}).get('name') or ''}"
    wrong = dns_subdomain(name)
    if wrong:
        raise ValueError(f'metadata.name: Invalid value: "{name}": {"; ".join(wrong)}')
    spec = crd.get("spec") or {}
    return {
        "apiVersion": "apis.kcp.io/v1alpha1",
        "kind": "APIResourceSchema",
        "metadata": {"name": name},
        "spec": {
            "conversion": _conversion(spec.get("conversion") or {}),
            "group": spec.get("group") or "",
            "names": _names(spec.get("names") or {}),
            "scope": spec.get("scope") or "",
            "versions": [_version(version) for version in spec.get("versions") or ()],
        },
    }


def _names(names: Mapping[str, Any]) -> Object:
    kind = str(names.get("kind") or "")
    complete = {"listKind": f"{kind}List", "singular": kind.lower()}
    return complete | {key: value for key, value in names.items() if value}


def _version(version: Mapping[str, Any]) -> Object:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    result: Object = {
        "name": version.get("name") or "",
        "served": bool(version.get("served")),
        "storage": bool(version.get("storage")),
        "subresources": dict(version.get("subresources") or {}),
    }
    if schema is not None:
        result["schema"] = schema
    return result | {key: version[key] for key in _VERSION if version.get(key)}


def _conversion(conversion: Mapping[str, Any]) -> Object:
    if conversion.get("strategy") != "Webhook":
        return {"strategy": conversion.get("strategy") or "None"}
    webhook = conversion.get("webhook") or {}
    client = webhook.get("clientConfig") or {}
    if client.get("service"):
        raise ValueError(
            "webhooks that refer to services are not supported, please use URL instead"
        )
    if not client.get("url"):
        raise ValueError("webhooks URL must be set")
    return {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {key: client[key] for key in ("url", "caBundle") if client.get(key)},
            "conversionReviewVersions": list(webhook.get("conversionReviewVersions") or ()),
        },
    }
