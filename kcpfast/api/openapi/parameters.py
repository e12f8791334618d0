"""The parameters of requests, each described once; requests take them by name."""

from __future__ import annotations

from typing import Any, NamedTuple


class Parameter(NamedTuple):
    """A parameter in the query or in the path; those in the path are required."""

    place: str
    type: str
    text: str


_QUERY, _PATH = "query", "path"

PARAMETERS = {
    "allowWatchBookmarks": Parameter(
        _QUERY, "boolean", "Ask a watch for BOOKMARK events, which tell how far it has come."
    ),
    "continue": Parameter(
        _QUERY, "string", "The token that the previous page of the list ended with."
    ),
    "dryRun": Parameter(
        _QUERY, "string", "With the value All, do everything but store the outcome."
    ),
    "fieldManager": Parameter(
        _QUERY, "string", "The name under which the fields that this request sets are recorded."
    ),
    "fieldSelector": Parameter(
        _QUERY, "string", "Return only objects whose fields satisfy this selector."
    ),
    "fieldValidation": Parameter(
        _QUERY,
        "string",
        "What becomes of unknown and duplicate fields: Strict refuses the request, Warn drops "
        "them with a warning, Ignore drops them silently.",
    ),
    "force": Parameter(
        _QUERY, "boolean", "Let an apply take over fields that other managers hold."
    ),
    "gracePeriodSeconds": Parameter(
        _QUERY, "integer", "How many seconds the object gets to shut down before it is removed."
    ),
    "ignoreStoreReadErrorWithClusterBreakingPotential": Parameter(
        _QUERY, "boolean", "Delete an object even though what is stored of it cannot be read."
    ),
    "labelSelector": Parameter(
        _QUERY, "string", "Return only objects whose labels satisfy this selector."
    ),
    "limit": Parameter(
        _QUERY, "integer", "Return at most this many objects, and a token for more."
    ),
    "name": Parameter(_PATH, "string", "The name of the object."),
    "namespace": Parameter(_PATH, "string", "The namespace of the object."),
    "orphanDependents": Parameter(
        _QUERY, "boolean", "Deprecated: use propagationPolicy. Whether dependents are kept."
    ),
    "pretty": Parameter(_QUERY, "string", "With the value true, indent the answer."),
    "propagationPolicy": Parameter(
        _QUERY,
        "string",
        "What becomes of dependents: Orphan keeps them, Background deletes them afterwards, "
        "Foreground deletes them first.",
    ),
    "resourceVersion": Parameter(
        _QUERY, "string", "The version that the answer is to be at, or a watch is to start from."
    ),
    "resourceVersionMatch": Parameter(
        _QUERY, "string", "How resourceVersion is meant: Exact or NotOlderThan."
    ),
    "sendInitialEvents": Parameter(
        _QUERY,
        "boolean",
        "Begin a watch with the objects there are, and mark the end of them with a bookmark.",
    ),
    "shardSelector": Parameter(
        _QUERY, "string", "Return only the objects of one slice of the collection."
    ),
    "timeoutSeconds": Parameter(
        _QUERY, "integer", "End the request after this many seconds, whatever it is doing."
    ),
    "watch": Parameter(_QUERY, "boolean", "Stream the changes instead of returning a list."),
}

LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
)
WRITE = ("dryRun", "fieldManager", "fieldValidation")
PATCH = (*WRITE, "force")
DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)
DELETE_COLLECTION = (
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
)


def parameter_v2(name: str) -> dict[str, Any]:
    """Return a parameter in the form of swagger 2.0."""
    parameter = PARAMETERS[name]
    body = {"uniqueItems": True, "type": parameter.type, "description": parameter.text}
    return _placed(body, name, parameter)


def parameter_v3(name: str) -> dict[str, Any]:
    """Return a parameter in the form of OpenAPI 3.0."""
    parameter = PARAMETERS[name]
    schema = {"type": parameter.type, "uniqueItems": True}
    return _placed({"description": parameter.text, "schema": schema}, name, parameter)


def _placed(body: dict[str, Any], name: str, parameter: Parameter) -> dict[str, Any]:
    placed = {"name": name, "in": parameter.place} | body
    return placed | {"required": True} if parameter.place == _PATH else placed
