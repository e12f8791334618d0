"""Writes YAML that people and all readers of YAML read alike.

PyYAML, which writes it, leaves out quotes where only its own reader needs none: what any other
could take for a number, a truth value or a time is quoted.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.cyaml import CSafeDumper

from kcpfast.meta.yamltext.reader import Spelled
from kcpfast.meta.yamltext.scalars import CORE, TEXT, ambiguous

_ANY_WIDTH = 1 << 30


class _Dumper(CSafeDumper):
    """Writes block style, and shared values out each time: not every reader knows aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value:
        style = "|"
    elif ambiguous(value):
        style = "'" if value.isprintable() else '"'
    return dumper.represent_scalar(CORE + TEXT, value, style=style)


def _spelled(dumper: Any, value: Spelled) -> Any:
    tag = dumper.resolve(yaml.ScalarNode, str(value), (True, False))
    return dumper.represent_scalar(tag, str(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Spelled, _spelled)


def write(value: Any) -> bytes:
    """Return a value as YAML: keys sorted, folded at 80 columns."""
    written: bytes = yaml.dump(value, None, _Dumper, encoding="utf-8", allow_unicode=True)
    return written


def write_kept(value: Any) -> bytes:
    """Return what `read_spelled` read as YAML: in its order, each scalar on one line."""
    written: bytes = yaml.dump(
        value,
        None,
        _Dumper,
        encoding="utf-8",
        allow_unicode=True,
        sort_keys=False,
        width=_ANY_WIDTH,
        default_flow_style=False,
    )
    return written
