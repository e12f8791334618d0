"""OpenID discovery of service account tokens: who issues them, and with which key.

See https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from kcpfast.api.context import Api, PageHandler
from kcpfast.api.negotiate import clauses
from kcpfast.api.steps.stages import Authorized
from kcpfast.auth.tokens import ServiceAccountTokens
from kcpfast.meta.errors import not_acceptable
from kcpfast.transport.messages import Response

_KEYS = "/openid/v1/jwks"
_KEY_SET = "application/jwk-set+json"


def pages(
    accounts: ServiceAccountTokens, base_url: str
) -> Mapping[str, Callable[[Authorized], Response | PageHandler]]:
    """Return the pages by path, or what serves them; `base_url` is where this server is found."""

    def configuration(authorized: Authorized) -> Response:
        document = {
            "issuer": accounts.issuer,
            "jwks_uri": base_url + _KEYS,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return Response(200, msgspec.json.encode(document), b"application/json", authorized.headers)

    async def keys(_api: Api, authorized: Authorized) -> Response:
        accepted = clauses(authorized.request.header(b"accept") or "*/*")
        if not any(clause.media in (_KEY_SET, "application/*", "*/*") for clause in accepted):
            raise not_acceptable([_KEY_SET])
        await accounts.ready()
        body = msgspec.json.encode(accounts.jwks())
        return Response(200, body, _KEY_SET.encode(), authorized.headers)

    return {"/.well-known/openid-configuration": configuration, _KEYS: lambda _: keys}
