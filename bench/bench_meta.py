"""The words of the API: selectors, names, the metadata of objects."""

from __future__ import annotations

from typing import Any

from kcpfast.meta.objectmeta import new_uid
from kcpfast.meta.selectors import matches, parse_fields, parse_labels

TEXT = "app=load,tier in (web,db),!old,release notin (canary),env!=test"
LABELS = {"app": "load", "tier": "web", "release": "stable", "env": "prod"}


def test_labels_parsed(benchmark: Any) -> None:
    """A label selector of five terms parsed."""
    assert len(benchmark(parse_labels, TEXT)) == 5


def test_labels_matched(benchmark: Any) -> None:
    """A label selector of five terms against labels."""
    assert benchmark(matches, parse_labels(TEXT), LABELS)


def test_fields_parsed(benchmark: Any) -> None:
    """A field selector parsed."""
    assert len(benchmark(parse_fields, "metadata.name=a,metadata.namespace!=b")) == 2


def test_uid(benchmark: Any) -> None:
    """A new uid."""
    assert len(benchmark(new_uid)) == 36
