"""Puts the rooms together: the one file that knows all of them.

Nothing here decides anything. A plugin, a consequence or a handler exists for the server only by
standing in one of the lists below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import kcpfast
from kcpfast.admission import namespaces
from kcpfast.admission.chain import Admission
from kcpfast.api.context import Api
from kcpfast.api.front import Front
from kcpfast.api.serve import Server
from kcpfast.api.verbs import reviews
from kcpfast.api.verbs.tokens import request_token
from kcpfast.auth import rbac
from kcpfast.auth.authenticate import Authenticator
from kcpfast.auth.rbac import Memory, Rbac
from kcpfast.auth.tokens import ServiceAccountTokens
from kcpfast.controllers import crds
from kcpfast.controllers.crds import CrdController
from kcpfast.controllers.namespaces import NamespaceController
from kcpfast.controllers.runtime import Runtime
from kcpfast.controllers.workspaces import WorkspaceController
from kcpfast.kcp import bindings, birth, workspaces
from kcpfast.kcp.authorizer import Authorizer
from kcpfast.kcp.clusters import Clusters
from kcpfast.kcp.escalation import Escalation
from kcpfast.kcp.kinds import SYSTEM, Exported
from kcpfast.kcp.policies import Policies
from kcpfast.kcp.views.workspace import WorkspaceView
from kcpfast.meta.user import User
from kcpfast.registry.catalog import Catalog
from kcpfast.registry.objects import Consequence, Objects
from kcpfast.store.contract import Store
from kcpfast.watch.hub import Hub


class Settings(NamedTuple):
    """What the rooms need to know of this installation."""

    base_url: str
    ca: str
    account_key: Path
    tokens: Mapping[str, User]


class Core(NamedTuple):
    """The registry of an open store: enough to bootstrap it."""

    store: Store
    objects: Objects
    catalog: Catalog


def core(store: Store, ca: str) -> Core:
    """Return the registry over a store; `ca` goes into every namespace."""
    consequences: dict[tuple[str, str], Sequence[Consequence]] = {}
    objects = Objects(store, consequences)
    consequences |= {
        **rbac.CONSEQUENCES,
        ("", "configmaps"): (birth.content_consequences,),
        ("", "namespaces"): (birth.namespace_consequences(ca, objects),),
        ("", "serviceaccounts"): (birth.content_consequences,),
        ("apiextensions.k8s.io", "customresourcedefinitions"): (crds.consequences(store),),
        ("apis.kcp.io", "apibindings"): (bindings.consequences(store),),
        ("core.kcp.io", "logicalclusters"): (workspaces.logical_cluster_consequences,),
        ("tenancy.kcp.io", "workspaces"): (workspaces.consequences,),
    }
    return Core(store, objects, Catalog(store, list(SYSTEM.values())))


class Running(NamedTuple):
    """A server's parts that must be stopped."""

    server: Server
    hub: Hub
    controllers: Runtime


def server(parts: Core, settings: Settings) -> Running:
    """Return a server over a bootstrapped store."""
    store, objects, catalog = parts
    memory, hub = Memory(), Hub()
    store.subscribe(memory.on_commit)
    store.subscribe(hub.on_commit)
    rules = Rbac(objects, memory)
    clusters = Clusters(objects, memory)
    authorizer = Authorizer(clusters, rules, Policies(objects, catalog, rules))
    accounts = ServiceAccountTokens(settings.account_key, objects)
    authenticator = Authenticator(settings.tokens, accounts)
    kinds = Exported(catalog)
    making = workspaces.Workspaces(clusters, kinds, authorizer, settings.base_url)
    plugins = [
        *namespaces.plugins(objects),
        *Escalation(authorizer).plugins(),
        *making.plugins(),
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
            ("", "serviceaccounts", "token", "create"): request_token,
        },
    )
    view = WorkspaceView(catalog, authorizer, clusters)
    front = Front(clusters, authenticator, authorizer, view, {}, {})
    ending = WorkspaceController(objects, kinds)
    spaces = NamespaceController(objects, settings.ca)
    custom = CrdController(objects, catalog)
    controllers = Runtime(
        store,
        {
            "crd": custom.crd,
            "crd-names": custom.names,
            "definitions": custom.definition,
            "logicalcluster": ending.logical_cluster,
            "namespace": spaces.namespace,
            "namespace-content": spaces.content,
            "workspace": ending.workspace,
        },
    )
    return Running(Server(api, front), hub, controllers)
