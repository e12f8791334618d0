"""The functions of CEL and of Kubernetes' extensions, one table ROWS per subject.

signatures.py says which modules there are and when they are loaded. A row's implementation takes
and returns values as values.py describes them and raises CelError; it never sees an argument of
another type than its signature says.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # signatures.py loads these by name; packagers find them here.
    from . import (
        admission,
        conversions,
        formats,
        lists,
        network,
        operators,
        optionals,
        quantity,
        semver,
        text,
        times,
        url,
    )

    __all__ = [
        "admission",
        "conversions",
        "formats",
        "lists",
        "network",
        "operators",
        "optionals",
        "quantity",
        "semver",
        "text",
        "times",
        "url",
    ]
