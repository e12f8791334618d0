"""Webhook configurations and admission policies: their defaults, and what is wrong with them.

Rules: k8s.io/kubernetes/pkg/apis/admissionregistration/{v1/defaults.go,validation/validation.go}.
"""

from __future__ import annotations

from kcpfast.registry.strategies.admissionregistration import policies, webhooks
from kcpfast.registry.strategies.base import Strategy

STRATEGIES: dict[tuple[str, str], Strategy] = {**policies.STRATEGIES, **webhooks.STRATEGIES}
