"""Webhooks: others are asked what they make of a request.

See https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/;
rules: k8s.io/apiserver/pkg/admission/plugin/webhook.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from base64 import b64decode
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import msgspec

from kcpfast.admission.chain import Review
from kcpfast.admission.evaluation import Decide, Evaluation, EvaluationError, ExpressionScope
from kcpfast.admission.matching import Matcher
from kcpfast.admission.registered import Hook
from kcpfast.admission.rewriting import Seen, rewrite
from kcpfast.meta.errors import ApiError, Cause, bad_request, forbidden, internal, too_many_requests
from kcpfast.meta.objectmeta import new_uid
from kcpfast.patch.json_patch import apply_json_patch
from kcpfast.transport.outgoing import OutgoingError, post, trusting
from kcpfast.work.aside import Aside

LOG = logging.getLogger("kcpfast.admission")
_GROUP, _KIND = "admission.k8s.io", "AdmissionReview"
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "kcpfast-admission",
}
VERSIONS = ("v1", "v1beta1")
_SCOPE = ExpressionScope(authorizer=True)
_USUAL_SECONDS = 10
# Calls of one webhook from one workspace that may be waited for at once, and what they may hold.
MAX_CALLS, MAX_BYTES = 50, 16 * 1024 * 1024
HookPlace = tuple[str, int, str]
# Bytes that a webhook costs that is only looked at.
_LEAST = 64
P = ParamSpec("P")
T = TypeVar("T")


class CallFailed(Exception):
    """A webhook could not be asked, or its answer cannot be understood."""


class _Cause(msgspec.Struct):
    reason: str | None = None
    message: str | None = None
    field: str | None = None


class _Details(msgspec.Struct):
    """StatusDetails: what of it a client is told."""

    name: str | None = None
    group: str | None = None
    kind: str | None = None
    uid: str | None = None
    retry: int | None = msgspec.field(name="retryAfterSeconds", default=None)
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: _Details | None = None


class _Response(msgspec.Struct):
    """AdmissionResponse, with Go's leave to say null for nothing."""

    uid: str | None = None
    allowed: bool | None = None
    patch: str | None = None
    patch_type: str | None = msgspec.field(name="patchType", default=None)
    status: _Status | None = None
    warnings: list[str] | None = None
    audit: dict[str, str] | None = msgspec.field(name="auditAnnotations", default=None)


class _Answer(msgspec.Struct):
    response: _Response
    version: str | None = msgspec.field(name="apiVersion", default=None)
    kind: str | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


class Verdict(NamedTuple):
    """What a webhook answers; `status` is that of a refusal."""

    allowed: bool
    patch: Any
    status: _Status
    warnings: Sequence[str]
    audit: Mapping[str, str]


class Webhooks:
    """Asks the webhooks that concern a request."""

    def __init__(self, matcher: Matcher, decide: Decide, aside: Aside) -> None:
        """Match and authorize with these; what is long runs `aside`."""
        self._matcher = matcher
        self._decide = decide
        self._calls = Calls()
        self._aside = aside

    async def validate(self, hooks: Sequence[Hook], review: Review) -> None:
        """Ask all at the same time; raise the refusal of the first in their order."""
        asked = await self._in_turns(hooks, review, self._concerned, hooks, review)
        verdicts = await asyncio.gather(
            *(_ask(hook, looking, self._calls) for hook, looking in asked), return_exceptions=True
        )
        verdict = None
        try:
            for (hook, looking), verdict in zip(asked, verdicts, strict=True):
                if isinstance(verdict, BaseException):
                    raise verdict
                if verdict is not None:
                    _take(hook, looking.review, verdict)
        finally:
            # An error knows this frame: they would keep each other, and all of the request.
            del verdicts, verdict

    async def mutate(self, hooks: Sequence[Hook], review: Review, seen: Seen) -> None:
        """Ask one after the other, each what the one before has made of the object."""
        for hook in hooks:
            looking = None
            if seen.is_due(hook.key, review):
                looking = await self._in_turns([hook], review, self._concerns, hook, review)
            if looking is None:
                continue
            verdict = await _ask(hook, looking, self._calls)
            if verdict is not None:
                _take(hook, review, verdict)
                size = review.size if verdict.patch else 0
                await self._aside.run(size, review.user.name, _patch, hook, looking, verdict)
            seen.note(hook.key, hook.webhook.get("reinvocationPolicy"), review)

    def _in_turns(
        self,
        hooks: Sequence[Hook],
        review: Review,
        step: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Coroutine[Any, Any, T]:
        """Run a step that evaluates the conditions of webhooks."""
        weight = sum(hook.weight for hook in hooks) * (review.size + _LEAST)
        size = int(weight) + sum(_LEAST + hook.cost for hook in hooks)
        return self._aside.run(size, review.user.name, step, *args, **kwargs)

    def _concerned(self, hooks: Sequence[Hook], review: Review) -> list[tuple[Hook, Evaluation]]:
        return [(hook, looking) for hook in hooks if (looking := self._concerns(hook, review))]

    def _concerns(self, hook: Hook, review: Review) -> Evaluation | None:
        """Return a request as a webhook is to see it, None if it is none of its business."""
        if not hook.criteria.rules:
            return None
        matched = self._matcher.match(hook.criteria, review)
        if matched is None:
            return None
        looking = Evaluation(review, matched, self._matcher.namespace, self._decide)
        if hook.conditions:
            from kcpfast.schema.cel import Budget  # noqa: PLC0415 - few webhooks have conditions

            bindings = looking.bindings(_SCOPE, Budget())
            try:
                if not looking.hold(hook.conditions, bindings, _SCOPE):
                    return None
            except EvaluationError as failed:
                if not hook.fails:
                    return None
                raise forbidden(
                    review.resource.plural, review.resource.group, review.name, str(failed)
                ) from None
        return looking


class Calls:
    """Calls that wait for an answer: how many, and of how many bytes, by webhook and workspace."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: dict[HookPlace, tuple[int, int]] = {}

    @contextlib.contextmanager
    def one(self, place: HookPlace, size: int) -> Iterator[None]:
        """Count a call while it waits; ApiError 429 if too many do.

        Also where a call may fail: else who keeps a webhook busy would get round it.
        """
        number, held = self._waiting.get(place, (0, 0))
        if number >= MAX_CALLS or (number and held + size > MAX_BYTES):
            raise too_many_requests()
        self._waiting[place] = (number + 1, held + size)
        try:
            yield
        finally:
            number, held = self._waiting.pop(place)
            if number > 1:
                self._waiting[place] = (number - 1, held - size)


async def _ask(hook: Hook, looking: Evaluation, calls: Calls) -> Verdict | None:
    """Ask one webhook; None if it cannot be asked and that does not matter."""
    if looking.review.dry_run and hook.webhook.get("sideEffects") not in ("None", "NoneOnDryRun"):
        raise bad_request(f'admission webhook "{hook.name}" does not support dry run')
    try:
        return await _call(hook, looking, calls)
    except CallFailed as failed:
        text = f'failed calling webhook "{hook.name}": {failed}'
        LOG.warning("%s", text)
        if hook.fails:
            raise internal(text) from failed
        return None


async def _call(hook: Hook, looking: Evaluation, calls: Calls) -> Verdict:
    client = hook.webhook["clientConfig"]
    if client.get("url") is None:
        service = client.get("service") or {}
        place = f"{service.get('namespace')}/{service.get('name')}"
        raise CallFailed(f"failed to call webhook: there are no services: {place}")
    accepted = hook.webhook["admissionReviewVersions"]
    version = next((name for name in accepted if name in VERSIONS), "")
    if not version:
        raise CallFailed("webhook does not accept known AdmissionReview versions (v1, v1beta1)")
    uid = new_uid()
    request = {"uid": uid, **looking.request, "object": looking.new, "oldObject": looking.old}
    sent = {"kind": _KIND, "apiVersion": f"{_GROUP}/{version}", "request": request}
    seconds = hook.webhook.get("timeoutSeconds") or _USUAL_SECONDS
    url = str(client["url"])
    try:
        context = trusting(b64decode(client.get("caBundle") or "").decode("ascii"))
        body, review = msgspec.json.encode(sent), looking.review
        with calls.one((*hook.key, review.target.cluster), len(body)):
            answer = await post(
                f"{url}?timeout={seconds}s", body, context, seconds, _HEADERS, review.claim
            )
    except (OutgoingError, ssl.SSLError, ValueError) as error:
        raise CallFailed(f'failed to call webhook: Post "{url}?timeout={seconds}s": {error}') from (
            error
        )
    if not 200 <= answer.status < 300:
        raise CallFailed(f"failed to call webhook: the server answered {answer.status}")
    return _understood(answer.body, uid, version)


def _understood(body: bytes, uid: str, version: str) -> Verdict:
    """Decode an answer; CallFailed if it is no AdmissionReview, or answers another request.

    Rules and texts: VerifyAdmissionResponse of k8s.io/apiserver/pkg/admission/plugin/webhook.
    v1beta1 answers need neither a kind nor the uid.
    """
    try:
        answer = _decode_answer(body)
        response, given = answer.response, (answer.version, answer.kind)
        verdict = Verdict(
            bool(response.allowed),
            _decoded_patch(response, version),
            response.status or _Status(),
            response.warnings or (),
            response.audit or {},
        )
    except (ValueError, RecursionError) as error:
        raise CallFailed(f"received invalid webhook response: {error}") from None
    if version == "v1":
        if given != (f"{_GROUP}/v1", _KIND):
            raise CallFailed(
                "received invalid webhook response: expected webhook response of "
                f"{_GROUP}/v1, Kind={_KIND}, got {given[0]}, Kind={given[1]}"
            )
        if response.uid != uid:
            raise CallFailed(
                "received invalid webhook response: expected response.uid="
                f'"{uid}", got "{response.uid or ""}"'
            )
    return verdict


def _decoded_patch(response: _Response, version: str) -> Any:
    encoded, kind = response.patch, response.patch_type
    if not encoded:
        return None
    if version == "v1" and kind != "JSONPatch":
        raise ValueError(f'webhook returned response.patch but patchType is "{kind or ""}"')
    return msgspec.json.decode(b64decode(encoded, validate=True))


def _take(hook: Hook, review: Review, verdict: Verdict) -> None:
    """Pass on warnings and audit annotations; raise ApiError if the webhook denied the request.

    Text: ToStatusErr of k8s.io/apiserver/pkg/admission/plugin/webhook/errors.
    """
    review.warnings += verdict.warnings
    review.audit |= {f"{hook.name}/{key}": value for key, value in verdict.audit.items()}
    if verdict.allowed:
        return
    status = verdict.status
    denied = f'admission webhook "{hook.name}" denied the request'
    message, details = status.message or status.reason, status.details or _Details()
    status_shown = {
        "name": details.name,
        "group": details.group,
        "kind": details.kind,
        "uid": details.uid,
        "retryAfterSeconds": details.retry,
    }
    raise ApiError(
        status.reason or "",
        f"{denied}: {message}" if message else f"{denied} without explanation",
        details={key: value for key, value in status_shown.items() if value} or None,
        causes=[
            Cause(cause.reason or "", cause.message or "", cause.field or "")
            for cause in details.causes or ()
        ],
        code=min(max(status.code or 0, 400), 599),
    )


def _patch(hook: Hook, looking: Evaluation, verdict: Verdict) -> None:
    """Change the object as a webhook wants it; InternalError if that cannot be done."""
    if verdict.patch is None or not verdict.patch:
        return
    if looking.new is None:
        raise internal(f'admission webhook "{hook.name}" attempted to modify the object, which is '
                       "not supported for this operation")  # fmt: skip
    try:
        patched = apply_json_patch(looking.new, verdict.patch)
    except ApiError as error:
        raise internal(f'webhook "{hook.name}": {error.message}') from None
    if not isinstance(patched, dict):
        raise internal(f'webhook "{hook.name}": the patch leaves no object')
    rewrite(looking.review, patched, looking.matched)
