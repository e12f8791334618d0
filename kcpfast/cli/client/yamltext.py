"""YAML as kubectl reads and writes it, by libyaml: all that `plainyaml` does not know.

The other programs that read these files (sigs.k8s.io/yaml) have an older idea of YAML than PyYAML
in some places and a newer one in others: what either could take for a number or a truth value is
quoted, and in a kubeconfig plain numbers and times are kept as they are spelled.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from kcpfast.cli.client.plainyaml import Plain

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_TAG = "tag:yaml.org,2002:"
_AMBIGUOUS = re.compile(r"[-+.]?[0-9].*|[yYnN]|[oO](n|N|ff|FF)|[~<=]")
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)\Z")
_FLOAT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+\Z")


class Kept(_Loader):  # type: ignore[misc]  # whichever loader there is
    """Reads a kubeconfig; the scalars will be written back."""


class Typed(_Loader):  # type: ignore[misc]
    """Reads scalars as sigs.k8s.io/yaml does."""


class Writer(_Dumper):  # type: ignore[misc]
    """Writes block style, without aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write shared values out each time: not every reader knows aliases."""
        return True


def _plain(_loader: Any, node: Any) -> Plain:
    return Plain(node.value)


def _text(_loader: Any, node: Any) -> str:
    return str(node.value)


def _integer(loader: Any, node: Any) -> Any:
    """Read an integer; sexagesimal ones, which only PyYAML knows, are text."""
    return node.value if ":" in node.value else loader.construct_yaml_int(node)


def _float(loader: Any, node: Any) -> Any:
    return node.value if ":" in node.value else loader.construct_yaml_float(node)


def _write_text(dumper: Any, value: str) -> Any:
    style = None
    if "\n" in value:
        style = "|"
    elif _AMBIGUOUS.fullmatch(value):
        style = "'" if value.isprintable() else '"'
    return dumper.represent_scalar(_TAG + "str", value, style=style)


# What a kubeconfig holds; anything else, such as !!binary, is refused.
Kept.yaml_constructors = {
    tag: make
    for tag, make in Kept.yaml_constructors.items()
    if tag in (None, *(_TAG + name for name in ("bool", "map", "null", "seq", "str")))
}
for _name in ("int", "float", "timestamp"):
    Kept.add_constructor(_TAG + _name, _plain)
Kept.add_implicit_resolver(_TAG + "float", _NUMBER, list("-+.0123456789"))
Typed.add_constructor(_TAG + "timestamp", _text)
Typed.add_constructor(_TAG + "int", _integer)
Typed.add_constructor(_TAG + "float", _float)
Typed.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+0123456789"))
Writer.add_representer(str, _write_text)


def load_kept(text: str | bytes) -> Any:
    """Read one document that will be written back; ValueError says what is wrong with it."""
    return _load(text, Kept)[0]


def load_typed(text: str | bytes) -> list[Any]:
    """Read all documents of a manifest; ValueError says what is wrong with them."""
    return _load(text, Typed)


def _load(text: str | bytes, loader: Any) -> list[Any]:
    try:
        return list(yaml.load_all(text, loader)) or [None]
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def dump(value: Any) -> str:
    """Return a value as YAML for people to read: keys sorted, folded at 80 columns."""
    text: str = yaml.dump(value, None, Writer, default_flow_style=False, allow_unicode=True)
    return text
