"""Who may do what, and who sees what: slow, and obvious.

It knows the objects that are stored and the documented rules, nothing else: no index, no label that
the server puts on an object, no decision that was made before. Rules: Kubernetes RBAC, kcp's chain
of authorizers, permission claims, maximal permission policies, virtual workspaces (the kcp
documentation, "Authorization" and "API exports"), and where the README says that we are stricter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kcpfast.meta.user import Attributes, User
from tests.models.facts import Export, Facts, Json, Thing
from tests.models.persons import (
    ACCOUNT,
    HOME,
    Person,
    bound_persons,
    in_scope,
    persons,
    scopes_of,
    warranted,
)

Rule = Mapping[str, Any]
RBAC = "rbac.authorization.k8s.io"
READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
ADMIN, BOOTSTRAPPER = "system:kcp:admin", "system:kcp:tenancy:workspace-bootstrapper"
MASTERS = "system:masters"
SYSTEM_STATUS = (("apis.kcp.io", "apibindings/status"), ("apis.kcp.io", "apiexports/status"))
LIFECYCLE = ("system:kcp:initializer:", "system:kcp:terminator:")
GUARDED = (
    ADMIN,
    BOOTSTRAPPER,
    "system:kcp:logical-cluster-admin",
    "system:kcp:external-logical-cluster-admin",
)
OPEN = ("Initializing", "Ready", "Inactive", "Terminating", "Deleting")
# What no workspace has to bind: group, resource -> kind, is it in namespaces?
BUILTIN = {
    ("", "configmaps"): ("ConfigMap", True),
    ("", "secrets"): ("Secret", True),
    ("", "serviceaccounts"): ("ServiceAccount", True),
    ("apis.kcp.io", "apibindings"): ("APIBinding", False),
    ("apis.kcp.io", "apiexports"): ("APIExport", False),
    ("core.kcp.io", "logicalclusters"): ("LogicalCluster", False),
}


class Denied(Exception):
    """The request is refused (403)."""


class Missing(Exception):
    """There is no such thing (404)."""


# ------------------------------------------------------------------------- RBAC


def allows(rule: Rule, ask: Attributes) -> bool:
    """Tell whether a rule of a role allows a request."""
    if not {"*", ask.verb} & set(rule.get("verbs") or ()):
        return False
    if not ask.resource:
        return any(
            path in ("*", ask.path) or (path.endswith("*") and ask.path.startswith(path[:-1]))
            for path in rule.get("nonResourceURLs") or ()
        )
    if not {"*", ask.group} & set(rule.get("apiGroups") or ()):
        return False
    wanted = {"*", ask.full_resource()}
    if ask.subresource:
        wanted.add(f"*/{ask.subresource}")
    if not wanted & set(rule.get("resources") or ()):
        return False
    names = rule.get("resourceNames") or ()
    return not names or ask.name in names


def is_system_status(ask: Attributes) -> bool:
    """Tell whether a request writes what only masters may write."""
    return ask.verb in WRITES and (ask.group, ask.full_resource()) in SYSTEM_STATUS


def is_subject(subject: Mapping[str, str], person: Person, namespace: str) -> bool:
    """Tell whether a subject of a binding is a person."""
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        return person.name == f"{ACCOUNT}{subject.get('namespace') or namespace}:{name}"
    return name in person.groups if kind == "Group" else name == person.name


def selected(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether labels match a selector; only matchLabels and In occur here."""
    terms = selector.get("matchExpressions") or ()
    given = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == value for key, value in given) and all(
        labels.get(each["key"]) in each["values"] for each in terms
    )


class Rights:
    """The rules, over the facts of a moment."""

    def __init__(self, facts: Facts) -> None:
        """Look at these facts."""
        self.facts = facts

    def role_rules(self, cluster: str, namespace: str, role: Mapping[str, str]) -> list[Rule]:
        """Return the rules of the role that a binding names."""
        if role["kind"] == "Role":
            for each in self.facts.all(RBAC, "roles", cluster):
                if (each.namespace, each.name) == (namespace, role["name"]):
                    return list(each.obj.get("rules") or ())
            return []
        for place in (cluster, "system:admin"):
            found = self.facts.one(RBAC, "clusterroles", place, role["name"])
            if found is not None:
                return self.cluster_rules(place, found, ())
        return []

    def cluster_rules(self, cluster: str, role: Json, seen: tuple[str, ...]) -> list[Rule]:
        """Return the rules of a cluster role, those of roles that it gathers by their labels."""
        if not role.get("aggregationRule"):
            return list(role.get("rules") or ())
        name = role["metadata"]["name"]
        found: list[Rule] = []
        for each in self.facts.all(RBAC, "clusterroles", cluster):
            labels = each.obj["metadata"].get("labels") or {}
            wanted = role["aggregationRule"].get("clusterRoleSelectors") or ()
            if each.name not in (name, *seen) and any(selected(one, labels) for one in wanted):
                found += self.cluster_rules(cluster, each.obj, (*seen, name))
        return found

    def rules(self, place: str, who: Iterable[Person], namespace: str) -> Iterator[Rule]:
        """Yield all rules that persons have by the bindings of a cluster."""
        people = list(who)
        for plural in ("clusterrolebindings", "rolebindings"):
            for each in self.facts.all(RBAC, plural, place):
                if each.namespace not in ("", namespace):
                    continue
                subjects = each.obj.get("subjects") or ()
                if any(is_subject(one, p, each.namespace) for one in subjects for p in people):
                    yield from self.role_rules(place, each.namespace, each.obj["roleRef"])

    def granted(self, cluster: str, who: Iterable[Person], ask: Attributes) -> bool:
        """Tell whether RBAC of a workspace, or what holds in all of them, allows a request."""
        people = list(who)
        places = dict.fromkeys(("system:admin", cluster))
        return any(
            allows(rule, ask)
            for place in places
            for rule in self.rules(place, people, ask.namespace)
        )

    # --------------------------------------------------------------------- kcp's chain

    def decide(self, user: User, cluster: str, ask: Attributes, *, deep: bool = False) -> bool:
        """Tell whether a user may do something in a logical cluster.

        `deep` asks neither whether they may look into it nor what exports permit.
        """
        if self.is_master(user, cluster):
            return True
        if ask.path in ("/healthz", "/livez", "/readyz"):
            return True
        if cluster in ("", "*") or not (deep or self.enters(user, cluster)):
            return False
        if is_system_status(ask):
            return False
        permitted = deep or self.permitted(user, cluster, ask)
        return permitted and self.granted(cluster, persons(user, cluster), ask)

    def is_master(self, user: User, cluster: str) -> bool:
        """Tell whether a user passes everything, as they count in a cluster."""
        counted = any(MASTERS in each.groups for each in persons(user, cluster))
        return MASTERS in user.groups and counted

    def enters(self, user: User, cluster: str) -> bool:
        """Tell whether a user may look into a workspace at all."""
        found = self.facts.one("core.kcp.io", "logicalclusters", cluster, "cluster")
        if cluster.startswith("system:") or found is None:
            return False
        if (found.get("status") or {}).get("phase") not in OPEN:
            return False
        annotations = found["metadata"].get("annotations") or {}
        wanted = annotations.get("authorization.kcp.io/required-groups")
        who = persons(user, cluster)
        if wanted and not user.name.startswith(ACCOUNT):
            groups = {group for person in who for group in person.groups}
            ways = [*wanted.split(";"), ADMIN, BOOTSTRAPPER]
            if not any({each.strip() for each in way.split(",")} <= groups for way in ways):
                return False
        if user.name.startswith(ACCOUNT) and in_scope(user, cluster):
            return True
        return self.granted(cluster, who, Attributes("access", path="/"))

    def permitted(self, user: User, cluster: str, ask: Attributes) -> bool:
        """Tell whether the export behind a resource permits a request at most."""
        served = self.served(cluster, ask.group, ask.resource)
        return not isinstance(served, Export) or self.export_permits(user, cluster, served, ask)

    def export_permits(self, user: User, cluster: str, export: Export, ask: Attributes) -> bool:
        """Tell whether an export permits a request; one that is gone permits all."""
        found = self.facts.one("apis.kcp.io", "apiexports", *export)
        policy = ((found or {}).get("spec") or {}).get("maximalPermissionPolicy") or {}
        if policy.get("local") is None:
            return True
        return self.granted(export.cluster, bound_persons(user, cluster), ask)

    # --------------------------------------------------------------------- what there is

    def bindings(self, cluster: str) -> Iterator[tuple[Export, Thing]]:
        """Yield the bindings of a cluster that are bound, with the export behind each."""
        for each in self.facts.all("apis.kcp.io", "apibindings", cluster):
            status = each.obj.get("status") or {}
            if status.get("phase") == "Bound":
                name = each.obj["spec"]["reference"]["export"]["name"]
                yield Export(status["apiExportClusterName"], name), each

    def served(self, cluster: str, group: str, resource: str) -> Export | str | None:
        """Return what brings a resource into a workspace: the export, "crd", "builtin", or None."""
        if (group, resource) in BUILTIN:
            return "builtin"
        for export, binding in self.bindings(cluster):
            for each in binding.obj["status"].get("boundResources") or ():
                if (each["group"], each["resource"]) == (group, resource):
                    return export
        name = f"{resource}.{group}"
        plural = "customresourcedefinitions"
        crd = self.facts.one("apiextensions.k8s.io", plural, cluster, name)
        return "crd" if crd is not None else None

    def storage(self, cluster: str, group: str, resource: str) -> str | None:
        """Return the identity under which a workspace keeps a resource."""
        if (group, resource) in BUILTIN:
            return ""
        for _, binding in self.bindings(cluster):
            for each in binding.obj["status"].get("boundResources") or ():
                if (each["group"], each["resource"]) == (group, resource):
                    return str(each["schema"]["identityHash"])
        return "customresources" if self.served(cluster, group, resource) == "crd" else None

    def in_workspace(self, user: User, cluster: str, ask: Attributes) -> list[Thing]:
        """Return the objects that a request to a workspace may be about."""
        if self.sleeps(cluster, ask) or not self.decide(user, cluster, ask):
            raise Denied
        if cluster == "*":
            if ask.verb not in ("list", "watch"):
                raise Missing
            if (ask.group, ask.resource) not in BUILTIN:
                raise Missing
            return self.facts.all(ask.group, ask.resource)
        storage = self.storage(cluster, ask.group, ask.resource)
        if storage is None:
            raise Missing
        things = self.facts.all(ask.group, ask.resource, cluster)
        return [each for each in things if each.storage == storage]

    def sleeps(self, cluster: str, ask: Attributes) -> bool:
        """Tell whether a workspace answers nobody."""
        if cluster in ("", "*"):
            return False
        found = self.facts.one("core.kcp.io", "logicalclusters", cluster, "cluster") or {}
        if (ask.resource, ask.name) == ("logicalclusters", "cluster"):
            return False
        annotations = (found.get("metadata") or {}).get("annotations") or {}
        path = ask.path.startswith(("/openapi", "/healthz", "/livez", "/readyz"))
        return annotations.get("core.kcp.io/inactive") == "true" and not path

    # --------------------------------------------------------------------- the view of an export

    def in_view(self, user: User, export: Export, cluster: str, ask: Attributes) -> list[Thing]:
        """Return the objects that a request to an export's virtual workspace may be about."""
        if is_system_status(ask) and not self.is_master(user, cluster):
            raise Denied
        found = self.seen_export(user, export, ask)
        every = cluster == "*"
        if not every and (self.sleeps(cluster, ask) or cluster not in self.consumers(export)):
            raise Denied
        if not ask.resource:
            return []
        claim = self.claim(found, ask)
        if not every and not self.opened(export, cluster, claim, ask):
            raise Denied
        if not self.claim_permits(user, export, cluster, ask):
            raise Denied
        if every and (ask.verb not in ("list", "watch") or not self.is_offered(found, claim, ask)):
            raise Missing
        consumers = self.consumers(export) if every else [cluster]
        return [
            each for one in consumers for each in self.shown(export, found, one, claim, ask, every)
        ]

    def claim_permits(self, user: User, export: Export, cluster: str, ask: Attributes) -> bool:
        """Tell whether those whose resource an export claims permit a request."""
        found = self.facts.one("apis.kcp.io", "apiexports", *export) or {"spec": {}}
        owners = self.owners(self.claim(found, ask))
        return all(self.export_permits(user, cluster, owner, ask) for owner in owners)

    def seen_export(self, user: User, export: Export, ask: Attributes) -> Json:
        """Return an export whose content a user may see."""
        place = ("apis.kcp.io", "v1alpha1", "apiexports", "content", "", export.name)
        if not self.decide(user, export.cluster, Attributes(ask.verb, *place)):
            raise Denied
        found = self.facts.one("apis.kcp.io", "apiexports", *export)
        if found is None:
            raise Missing
        return found

    def consumers(self, export: Export) -> list[str]:
        """Return the clusters that are bound to an export."""
        bound = self.facts.all("apis.kcp.io", "apibindings")
        clusters = dict.fromkeys(each.cluster for each in bound)
        return [each for each in clusters if any(one == export for one, _ in self.bindings(each))]

    def claim(self, export: Json, ask: Attributes) -> Json | None:
        """Return the claim of an export that a request falls under."""
        for each in export["spec"].get("permissionClaims") or ():
            if (each.get("group") or "", each["resource"]) == (ask.group, ask.resource):
                return dict(each)
        return None

    def owners(self, claim: Json | None) -> list[Export]:
        """Return the exports with the identity that a claim names."""
        identity = (claim or {}).get("identityHash")
        return [
            Export(each.cluster, each.name)
            for each in self.facts.all("apis.kcp.io", "apiexports")
            if identity and (each.obj.get("status") or {}).get("identityHash") == identity
        ]

    def answers(
        self, export: Export, cluster: str, claim: Json | None, *verbs: str
    ) -> Iterator[Json]:
        """Yield how bindings of a cluster answer a claim, where that lets one of verbs through."""
        if claim is None:
            return
        key = (claim.get("group") or "", claim["resource"], claim.get("identityHash") or "")
        for one, binding in self.bindings(cluster):
            for each in binding.obj["spec"].get("permissionClaims") or () if one == export else ():
                given = (each.get("group") or "", each["resource"], each.get("identityHash") or "")
                if given != key or each["state"] != "Accepted":
                    continue
                sides = [set(side.get("verbs") or ()) for side in (each, claim)]
                if any(all({"*", verb} & side for side in sides) for verb in verbs):
                    yield each

    def opened(self, export: Export, cluster: str, claim: Json | None, ask: Attributes) -> bool:
        """Tell whether a consumer lets the export's owner do something."""
        if self.served(cluster, ask.group, ask.resource) == export:
            return True
        if (ask.group, ask.resource) == ("apis.kcp.io", "apibindings") and ask.verb in READS:
            return True
        return any(True for _ in self.answers(export, cluster, claim, ask.verb))

    def is_offered(self, export: Json, claim: Json | None, ask: Attributes) -> bool:
        """Tell whether the view of an export has a resource."""
        own = [*offered(export), ("apis.kcp.io", "apibindings")]
        return claim is not None or (ask.group, ask.resource) in own

    def shown(
        self,
        export: Export,
        found: Json,
        cluster: str,
        claim: Json | None,
        ask: Attributes,
        everywhere: bool,
    ) -> list[Thing]:
        """Return the objects of one consumer that the export's owner sees."""
        if not self.is_offered(found, claim, ask):
            raise Missing
        things = self.facts.all(ask.group, ask.resource, cluster)
        if (ask.group, ask.resource) in offered(found):
            identity = (found.get("status") or {}).get("identityHash")
            return [each for each in things if each.storage == identity]
        if claim is not None:
            storage = claim.get("identityHash") or ""
            # In all workspaces at once: README, "stricter than kcp".
            verbs = ("list", "watch") if everywhere else (ask.verb,)
            answers = self.answers(export, cluster, claim, *verbs)
            selectors = [each.get("selector") or {} for each in answers]
            return [
                each
                for each in things
                if each.storage == storage and any(selected(one, each.labels) for one in selectors)
            ]
        own = {each.name for one, each in self.bindings(cluster) if one == export}
        return [each for each in things if each.name in own]

    def may_carry(
        self, export: Export, cluster: str, ask: Attributes, labels: Mapping[str, str]
    ) -> bool:
        """Tell whether selectors of claims let the owner of an export make an object with labels.

        What it lacks is added to it.
        """
        found = self.facts.one("apis.kcp.io", "apiexports", *export) or {"spec": {}}
        claim = self.claim(found, ask)
        terms = [
            (each.get("selector") or {}).get("matchLabels") or {}
            for each in self.answers(export, cluster, claim, ask.verb, "*")
        ]
        return all(labels.get(key, value) == value for each in terms for key, value in each.items())

    # --------------------------------------------------------------------- initializers

    def in_initializing(
        self, user: User, kind: tuple[str, str], cluster: str, ask: Attributes
    ) -> list[Thing]:
        """Return what a request to the virtual workspace of an initializer may be about."""
        if is_system_status(ask) and not self.is_master(user, cluster):
            raise Denied
        place, name = kind
        part = ("tenancy.kcp.io", "v1alpha1", "workspacetypes", "", "", name)
        if not self.decide(user, place, Attributes("initialize", *part)):
            raise Denied
        itself = (ask.group, ask.resource) == ("core.kcp.io", "logicalclusters")
        waiting = [
            each
            for each in self.facts.all("core.kcp.io", "logicalclusters")
            if each.obj["status"]["phase"] == "Initializing"
            and f"{place}:{name}" in (each.obj["status"].get("initializers") or ())
        ]
        if cluster == "*":
            if not itself or ask.verb not in ("list", "watch"):
                raise Missing
            return waiting
        if cluster not in [each.cluster for each in waiting]:
            raise Denied
        if not itself:
            return self.initialized(user, kind, cluster, ask)
        if ask.verb in ("list", "watch"):
            raise Missing
        return [each for each in waiting if each.cluster == cluster]

    def initialized(
        self, user: User, kind: tuple[str, str], cluster: str, ask: Attributes
    ) -> list[Thing]:
        """Return what of the content of a workspace its initializer may ask about."""
        place, name = kind
        found = self.facts.one("tenancy.kcp.io", "workspacetypes", place, name) or {}
        rules = found["spec"].get("initializerPermissions") or ()
        if self.sleeps(cluster, ask) or not any(allows(rule, ask) for rule in rules):
            raise Denied
        if not self.is_master(user, cluster) and not self.permitted(user, cluster, ask):
            raise Denied
        storage = self.storage(cluster, ask.group, ask.resource)
        if storage is None:
            raise Missing
        things = self.facts.all(ask.group, ask.resource, cluster)
        return [each for each in things if each.storage == storage]

    # --------------------------------------------------------------------- impersonation

    def may_act_as(self, user: User, cluster: str, wanted: User, groups: Iterable[str]) -> bool:
        """Tell whether a user may send a request to a cluster as somebody else.

        `groups` are those that the request names.
        """
        if self.is_master(user, cluster):
            return True
        held = {group for person in persons(user, cluster) for group in person.groups}
        asks = [Attributes("impersonate", resource="groups", name=group) for group in groups]
        for one in warranted(wanted):
            for group in one.groups:
                privileged = group in GUARDED or group.startswith(LIFECYCLE)
                if group == MASTERS or (privileged and group not in held):
                    return False
            named = [f"system:cluster:{each}" for scope in scopes_of(one) for each in scope]
            named += [f"system:cluster:{each}" for each in one.extras(HOME)]
            named += one.groups if one is not wanted else ()
            asks += [Attributes("impersonate", resource="groups", name=each) for each in named]
            asks += acting_as(one)
        return all(self.decide(user, cluster, each) for each in asks)


def offered(export: Json) -> list[tuple[str, str]]:
    """Return group and name of what an export offers."""
    return [(each["group"], each["name"]) for each in export["spec"].get("resources") or ()]


def acting_as(wanted: User) -> Iterator[Attributes]:
    """Yield what one must be allowed in order to act as a user, groups left aside."""
    if wanted.name.startswith(ACCOUNT):
        namespace, _, name = wanted.name.removeprefix(ACCOUNT).partition(":")
        yield Attributes("impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes("impersonate", resource="users", name=wanted.name)
    for key, values in wanted.extra:
        for each in values:
            yield Attributes(
                "impersonate", "authentication.k8s.io", "", "userextras", key, "", each
            )
