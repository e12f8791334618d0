"""CustomResourceDefinitions.

Defaults and rules: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions.
"""

from __future__ import annotations

from kcpfast.registry.strategies.base import Strategy

STRATEGIES: dict[tuple[str, str], Strategy] = {}
