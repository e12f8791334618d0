"""The part of an answer that a case is about: bodies reduced to what counts.

A view of a body leaves bodies of another kind (a Status, say) as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.vectors.pointer import ABSENT

JSON = Any
_AGE = re.compile(r"(\d+[dhms]){1,2}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def _meta(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return thing.get("metadata") or {}


def _full_name(thing: Mapping[str, Any]) -> str:
    meta = _meta(thing)
    return "/".join(filter(None, (meta.get("namespace"), meta.get("name"))))


# ----------------------------------------------------------------------------- lists and tables


def names(body: JSON) -> JSON:
    """A list as its metadata, the names of its items in order, and their kinds."""
    items = body.get("items")
    if not isinstance(items, list):
        return body
    kinds = {f"{each.get('apiVersion')}/{each['kind']}" for each in items if "kind" in each}
    return {**body, "items": [_full_name(each) for each in items], "item_kinds": sorted(kinds)}


def name_set(body: JSON) -> JSON:
    """As names, but their order is no fact."""
    out = names(body)
    return {**out, "items": sorted(out["items"])} if out is not body else body


def table(body: JSON) -> JSON:
    """Columns without prose, cells without ages, and what each row's object is."""
    if body.get("kind") != "Table":
        return body
    rest = {key: body[key] for key in body if key not in ("columnDefinitions", "rows")}
    columns = [_column(each) for each in body.get("columnDefinitions") or ()]
    return {**rest, "columns": columns, "rows": [_row(each) for each in body.get("rows") or ()]}


def _column(definition: Mapping[str, Any]) -> str:
    wanted = (definition.get(key) for key in ("name", "type", "format", "priority"))
    return " ".join(str(each) for each in wanted if each not in (None, ""))


def _row(row: Mapping[str, Any]) -> JSON:
    cells = [
        "<age>" if isinstance(cell, str) and _AGE.fullmatch(cell) else cell
        for cell in row.get("cells", ())
    ]
    thing = row.get("object")
    if thing is None:
        return {"cells": cells}
    kind = {key: thing[key] for key in ("apiVersion", "kind") if key in thing}
    return {
        "cells": cells,
        "object": {**kind, "name": _meta(thing).get("name"), "has": sorted(thing)},
    }


# ----------------------------------------------------------------------------- discovery


def resources(body: JSON) -> JSON:
    """An APIResourceList by name of resource."""
    if body.get("kind") != "APIResourceList":
        return body
    found = {each["name"]: _resource(each) for each in body.get("resources") or ()}
    head = {key: body.get(key) for key in ("kind", "apiVersion", "groupVersion")}
    return {**head, "resources": found}


def _resource(each: Mapping[str, Any]) -> JSON:
    optional = ("singularName", "shortNames", "categories", "group", "version")
    return {
        "kind": each.get("kind"),
        "verbs": _words(each.get("verbs")),
        "namespaced": each.get("namespaced"),
        **{key: each[key] for key in optional if each.get(key)},
    }


def _words(words: list[str] | None) -> str:
    return " ".join(words or ())


def groups(body: JSON) -> JSON:
    """An APIGroupList as lines; the order of groups is no fact, that of versions is."""
    if body.get("kind") != "APIGroupList":
        return body
    lines = []
    for each in body.get("groups") or ():
        versions = _words([version["version"] for version in each["versions"]])
        preferred = (each.get("preferredVersion") or {}).get("version")
        lines.append(f"{each['name']}: {versions} ({preferred})")
    return {"kind": body["kind"], "apiVersion": body.get("apiVersion"), "groups": sorted(lines)}


def aggregated(body: JSON) -> JSON:
    """An APIGroupDiscoveryList: groups and versions in order, resources by name."""
    if body.get("kind") != "APIGroupDiscoveryList":
        return body
    found = [
        {
            "group": _meta(item).get("name", ""),
            "versions": [_version(each) for each in item.get("versions") or ()],
        }
        for item in body["items"]
    ]
    return {"kind": body["kind"], "apiVersion": body.get("apiVersion"), "groups": found}


def _version(version: Mapping[str, Any]) -> JSON:
    found = {each["resource"]: _aggregated(each) for each in version.get("resources") or ()}
    return {
        "version": version["version"],
        "freshness": version.get("freshness"),
        "resources": found,
    }


def _aggregated(each: Mapping[str, Any]) -> JSON:
    out = {"kind": _kind(each), "scope": each.get("scope"), "verbs": _words(each.get("verbs"))}
    if each.get("singularResource"):
        out["singular"] = each["singularResource"]
    out |= {key: each[key] for key in ("shortNames", "categories") if each.get(key)}
    if each.get("subresources"):
        out["subresources"] = {
            below["subresource"]: f"{_kind(below)}: {_words(below.get('verbs'))}"
            for below in each["subresources"]
        }
    return out


def _kind(each: Mapping[str, Any]) -> str:
    kind = each.get("responseKind") or {}
    return "/".join(kind.get(key, "") for key in ("group", "version", "kind"))


# ----------------------------------------------------------------------------- watches


def events(lines: list[JSON]) -> JSON:
    """Events whole; a bookmark as what it promises, or left out if it promises nothing."""
    out = []
    for event in lines:
        thing = event.get("object") or {}
        if event.get("type") == "BOOKMARK":
            if not _meta(thing).get("annotations"):
                continue
            thing = _promise(thing)
        out.append({"type": event.get("type"), "object": thing})
    return out


def _promise(bookmark: Mapping[str, Any]) -> JSON:
    meta = _meta(bookmark)
    return {
        **{key: bookmark[key] for key in ("kind", "apiVersion") if key in bookmark},
        "resourceVersion": "<rv>" if meta.get("resourceVersion") else ABSENT,
        "annotations": meta["annotations"],
    }


def short_events(lines: list[JSON]) -> JSON:
    """Events as `TYPE name`, bookmarks with what is annotated, errors whole."""
    return [_short_event(event) for event in events(lines)]


def _short_event(event: JSON) -> JSON:
    kind, thing = event["type"], event["object"]
    if kind == "ERROR":
        return event
    if kind == "BOOKMARK":
        return f"BOOKMARK {thing.get('kind')} {_words(sorted(thing['annotations']))}".strip()
    return f"{kind} {_full_name(thing)}"


def table_events(lines: list[JSON]) -> JSON:
    """Events whose objects are tables."""
    return [
        {"type": event.get("type"), "object": table(event.get("object") or {})}
        for event in lines
        if event.get("type") != "BOOKMARK" or _annotated(event)
    ]


def _annotated(event: JSON) -> bool:
    rows = (event.get("object") or {}).get("rows") or ()
    return any(_meta(row.get("object") or {}).get("annotations") for row in rows)


def bookmarks(lines: list[JSON]) -> JSON:
    """Which forms of bookmark came, each once."""
    marks = (event["object"] for event in lines if event.get("type") == "BOOKMARK")
    forms = (
        f"{each.get('apiVersion')} {each.get('kind')} metadata: {_words(sorted(_meta(each)))}"
        for each in marks
    )
    return sorted(set(forms))


BODIES: Mapping[str, Callable[[JSON], JSON]] = {
    "aggregated": aggregated,
    "groups": groups,
    "names": names,
    "resources": resources,
    "set": name_set,
    "table": table,
    "whole": lambda body: body,
}
STREAMS: Mapping[str, Callable[[list[JSON]], JSON]] = {
    "bookmarks": bookmarks,
    "events": events,
    "events-short": short_events,
    "events-table": table_events,
}
