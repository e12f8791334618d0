"""Puts the rooms together: the one file that knows all of them.

Nothing here decides anything. A plugin, a index_hook or a handler exists for the server only by
standing in one of the lists below.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import kcpfast
from kcpfast.admission import namespaces, quota, reserved
from kcpfast.admission.certificates import Certificates
from kcpfast.admission.chain import Admission, Deletions
from kcpfast.admission.dynamic import Dynamic
from kcpfast.admission.quota import Quotas
from kcpfast.api.context import Api
from kcpfast.api.limits.seats import Limits, Seats
from kcpfast.api.pages import openid
from kcpfast.api.serve import Server
from kcpfast.api.steps.front import Front
from kcpfast.api.verbs import home, reviews
from kcpfast.api.verbs.tokens import request_token
from kcpfast.api.verbs.watch import ending
from kcpfast.auth import rbac
from kcpfast.auth.authenticate import Authenticator
from kcpfast.auth.rbac import Rbac
from kcpfast.auth.tokens import ServiceAccountTokens
from kcpfast.controllers.aggregation import Aggregation
from kcpfast.controllers.bindings import BindingController
from kcpfast.controllers.claims import ClaimController
from kcpfast.controllers.crds import CrdController
from kcpfast.controllers.exports import ExportController
from kcpfast.controllers.gc import GarbageCollector
from kcpfast.controllers.namespaces import NamespaceController
from kcpfast.controllers.quota import QuotaController
from kcpfast.controllers.runtime import Reconcile, Runtime
from kcpfast.controllers.tokens import TokenController
from kcpfast.controllers.workspaces import WorkspaceController
from kcpfast.kcp import bindings, creation, exports, lifecycle, views, workspaces
from kcpfast.kcp.admit import claims as admit_claims
from kcpfast.kcp.admit import exports as admit_exports
from kcpfast.kcp.admit import limits, owned, schemas, tenancy, token_secrets
from kcpfast.kcp.admit.escalation import Escalation
from kcpfast.kcp.admit.exports import Binders
from kcpfast.kcp.admit.parameters import Parameters
from kcpfast.kcp.authorizer import Authorizer
from kcpfast.kcp.claims import Claims
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.kinds import Exported, system_kinds
from kcpfast.kcp.kinds import schemas as definitions
from kcpfast.kcp.policies import Policies
from kcpfast.kcp.views.workspace import WorkspaceView
from kcpfast.kcp.workspaces import Workspaces
from kcpfast.meta.user import User
from kcpfast.registry.catalog import Catalog, crd_index_hook
from kcpfast.registry.expiry import event_index_hook
from kcpfast.registry.objects import IndexHook, Objects, reading
from kcpfast.registry.reader import Reader
from kcpfast.server import wakes
from kcpfast.store.contract import Store
from kcpfast.telemetry import inspection, metrics
from kcpfast.watch.hub import Hub

LOG = logging.getLogger("kcpfast.server")


class Settings(NamedTuple):
    """What the rooms need to know of this installation."""

    base_url: str
    ca: str
    account_key: Path
    tokens: Mapping[str, User]
    max_objects: int = 0
    limits: Limits = Limits()


class Core(NamedTuple):
    """The registry of an open store: enough to bootstrap it."""

    store: Reader
    objects: Objects
    catalog: Catalog
    clusters: Clusters


def core(opened: Store, ca: str, *, caches: bool | None = None) -> Core:
    """Return the registry over a store; `ca` goes into every namespace.

    Without `caches` nothing is remembered of the store; None does as the environment says.
    """
    index_hooks: dict[tuple[str, str], Sequence[IndexHook]] = {}
    store = Reader(opened, remembers=_remembers() if caches is None else caches)
    objects = Objects(store, index_hooks)
    clusters = Clusters(objects, store)
    index_hooks |= {
        **rbac.INDEX_HOOKS,
        ("", "events"): (reading(event_index_hook(store)),),
        ("events.k8s.io", "events"): (reading(event_index_hook(store)),),
        ("", "namespaces"): (reading(creation.namespace_index_hook(ca, objects)),),
        ("", "resourcequotas"): (quota.index_hook,),
        ("apiextensions.k8s.io", "customresourcedefinitions"): (reading(crd_index_hook(store)),),
        ("apis.kcp.io", "apibindings"): (reading(bindings.index_hooks(store)),),
        ("apis.kcp.io", "apiexportendpointslices"): (reading(exports.slice_index_hook(clusters)),),
        ("core.kcp.io", "logicalclusters"): (lifecycle.index_hooks,),
        ("tenancy.kcp.io", "workspaces"): (workspaces.index_hooks,),
    }
    for kind, waking in wakes.index_hooks().items():
        index_hooks[kind] = (*index_hooks.get(kind, ()), waking)
    return Core(store, objects, Catalog(store, list(system_kinds().values())), clusters)


def _remembers() -> bool:
    """Tell whether anything may be remembered of the store: not where an answer is in doubt."""
    if os.environ.get("KCPFAST_CACHES") != "off":
        return True
    LOG.warning("KCPFAST_CACHES=off: nothing is remembered of the store")
    return False


class Running(NamedTuple):
    """A server's parts that must be stopped."""

    server: Server
    hub: Hub
    controllers: Runtime


def server(parts: Core, settings: Settings) -> Running:
    """Return a server over a bootstrapped store."""
    store, objects, catalog, clusters = parts
    hub = Hub(objects.aside)
    rules = Rbac(objects, store)
    policies = Policies(objects, catalog, rules, store)
    authorizer = Authorizer(clusters, rules, policies)
    accounts = ServiceAccountTokens(settings.account_key, objects)
    authenticator = Authenticator(settings.tokens, accounts)
    kinds = Exported(catalog)
    provisioner = Workspaces(clusters, kinds, authorizer, settings.base_url)
    binders, marked = Binders(clusters, authorizer), Claims(store)
    dynamic = Dynamic(objects, catalog, store, authorizer.decide, owned.kept)
    plugins = [
        owned.plugin(),
        *namespaces.plugins(objects, clusters.is_ending),
        *reserved.plugins(),
        *Certificates(authorizer.allows).plugins(),
        *Escalation(authorizer, objects.aside).plugins(),
        *limits.plugins(),
        *Parameters(objects, catalog, authorizer).plugins(),
        *provisioner.plugins(),
        *schemas.plugins(parts.catalog.is_static),
        *admit_exports.plugins(binders),
        *tenancy.plugins(binders),
        *admit_claims.plugins(marked),
        *token_secrets.plugins(objects, accounts, settings.ca),
        *dynamic.plugins(),
        *Quotas(store, partial(clusters.object_limit, settings.max_objects)).plugins(),
    ]
    api = Api(
        objects,
        catalog,
        hub,
        Admission(plugins),
        authenticator,
        kcpfast.__version__,
        {
            **reviews.handlers(authorizer),
            **home.handlers(provisioner, clusters),
            ("", "serviceaccounts", "token", "create"): request_token,
        },
    )
    view = WorkspaceView(catalog, authorizer, clusters)
    seen = views.ViewDependencies(
        objects, catalog, clusters, authorizer, policies, views.remembered(store)
    )
    services = views.services(seen, view, clusters, provisioner.types)
    pages = openid.pages(accounts, settings.base_url)
    front = Front(clusters, authenticator, authorizer, view, services, pages)
    deletions = Deletions(api.admission, catalog, objects.aside, dynamic.looks_at_deletion)
    work = _reconcilers(parts, settings, provisioner, marked, deletions)
    controllers = Runtime(store, work)
    seats = Seats(settings.limits)
    metrics.IN_FLIGHT.read, metrics.QUEUED.read = seats.taken, seats.queued
    metrics.CURRENT_REQUESTS.read = seats.by_kind
    _subscribe(store, hub, controllers)
    _measure(parts, hub, controllers)
    return Running(Server(api, front, store, seats), hub, controllers)


def _subscribe(store: Reader, hub: Hub, controllers: Runtime) -> None:
    """Arrange who is told of commits, and in which order.

    The Reader is told before all of these: it subscribes as it is made, so that no cache answers
    with what was before a commit to somebody who has heard of it. The hub comes before what ends
    watches, so that a watch shows the event that it ends with. The controllers may stand anywhere:
    they only queue work.
    """
    for subscriber in (hub.on_commit, ending(hub), controllers.on_commit):
        store.subscribe(subscriber)


def _measure(parts: Core, hub: Hub, controllers: Runtime) -> None:
    """Tell metrics what is read when somebody asks, and which groups are no tenant's."""
    store, _, catalog, _ = parts
    metrics.WATCHES.read = hub.watches
    metrics.QUEUE_DEPTH.read = controllers.depth
    metrics.UNFINISHED_SECONDS.read = controllers.unfinished
    metrics.LONGEST_SECONDS.read = controllers.longest
    inspection.STUCK_ITEMS.read = controllers.stuck
    metrics.HISTORY.read = lambda: [((), store.published() - store.compacted())]
    metrics.GROUPS.know(_builtin(catalog))


def _builtin(catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Yield the (group, plural) of what no tenant has made up."""
    exported = definitions()["exported"].values()
    yield from ((kind.group, kind.plural) for kind in catalog.static())
    yield from ((kind["group"], kind["names"]["plural"]) for kind in exported)


def _reconcilers(
    parts: Core,
    settings: Settings,
    provisioner: Workspaces,
    marked: Claims,
    deletions: Deletions,
) -> Mapping[str, Reconcile]:
    """Return who works through which marks."""
    _, objects, catalog, clusters = parts
    kinds = Exported(catalog)
    ending = WorkspaceController(objects, kinds, provisioner, deletions)
    binding = BindingController(objects, catalog, clusters, marked, deletions)
    exporting = ExportController(objects, clusters, kinds, settings.base_url)
    spaces = NamespaceController(objects, settings.ca, deletions)
    custom = CrdController(objects, catalog, deletions)
    quotas = QuotaController(objects, catalog)
    garbage = GarbageCollector(objects, catalog, deletions)
    return {
        "aggregation": Aggregation(objects).cluster,
        "apibinding": binding.binding,
        "apibinding-names": binding.names,
        "apiexport": exporting.export,
        "claims": ClaimController(objects, marked).claims,
        "crd": custom.crd,
        "crd-names": custom.names,
        "definitions": custom.definition,
        "departed": exporting.departed,
        "dependent": garbage.dependent,
        "dependents": garbage.dependents,
        "gc": garbage.owner_gone,
        "identity": exporting.secret,
        "logicalcluster": ending.logical_cluster,
        "namespace": spaces.namespace,
        "namespace-content": spaces.content,
        "partition": exporting.partition,
        "quota": quotas.namespace,
        "quotas": quotas.cluster,
        "schema": exporting.schema,
        "slice": exporting.endpoint_slice,
        "slices": exporting.slices,
        "tokens": TokenController(objects, deletions).account_gone,
        "unblocked": garbage.unblocked,
        "workspace": ending.workspace,
        "workspacetype": exporting.workspace_type,
    }
