"""Webhook configurations and admission policies.

Defaults and rules: k8s.io/kubernetes/pkg/apis/admissionregistration.
"""

from __future__ import annotations

from kcpfast.registry.strategies.base import Strategy

GROUP = "admissionregistration.k8s.io"
STRATEGIES: dict[tuple[str, str], Strategy] = {}
