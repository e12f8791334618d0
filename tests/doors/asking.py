"""Questions, asked at every door: who asks what, what the server says, what the twin expects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kcpfast._core.heads import HeaderBlock, cut
from kcpfast.kcp.effective import scoped
from kcpfast.meta.user import AUTHENTICATED, SERVICE_ACCOUNTS, UNAUTHENTICATED, Attributes, User
from kcpfast.transport.messages import NO_PEER, Peer, Request, Response, Stream
from tests.api.test_verbs import Lines
from tests.doors.world import KINDS, OFFERS, PLURALS, SHOP, TOKENS, Kind, World, thing
from tests.fix_inside import Inside, Json
from tests.models.facts import Export, Facts, Thing
from tests.models.persons import ACCOUNT, HOME, SCOPES
from tests.models.rights import Denied, Missing, Rights

MARK = re.compile(rb"mk\d+x")
WORDS = re.compile("|".join(PLURALS).encode())
ACCEPT = {
    "json": "application/json",
    "table": "application/json;as=Table;v=v1;g=meta.k8s.io",
    "partial": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "partials": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "protobuf": "application/vnd.kubernetes.protobuf, application/json",
    "yaml": "application/yaml",
}
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "apply": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
COLLECTIONS = ("list", "watch", "deletecollection")
NEW = "mk0x"
# Doors of this "export" are the virtual workspace of an initializer.
SLOW = "slow"


class Asker(NamedTuple):
    """Who sends a request: by certificate, by token, or as somebody else (`wanted`)."""

    name: str
    groups: tuple[str, ...] = ()
    token: str = ""
    wanted: User | None = None
    asked: tuple[str, ...] = ()  # groups named in the request

    def user(self, world: World) -> User:
        """Return who the sender is."""
        if self.token in TOKENS:
            return TOKENS[self.token]
        if self.token:
            home = world.clusters[self.token]
            groups = (SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:default", AUTHENTICATED)
            extra = ((HOME, (home,)), (SCOPES, (f"cluster:{home}",)))
            return User(f"{ACCOUNT}default:robot", "", groups, extra)
        if not self.name:
            return User("system:anonymous", groups=(UNAUTHENTICATED,))
        return User(self.name, groups=(*self.groups, AUTHENTICATED))

    def headers(self, world: World) -> dict[bytes, bytes]:
        """Return the headers that say who asks."""
        found = {}
        if self.token:
            token = self.token if self.token in TOKENS else world.tokens[self.token]
            found[b"authorization"] = b"Bearer " + token.encode()
        if self.wanted is not None:
            found[b"impersonate-user"] = self.wanted.name.encode()
            if self.asked:
                found[b"impersonate-group"] = "\n".join(self.asked).encode()
            for key, values in self.wanted.extra:
                name = key.replace("/", "%2f").encode()
                found[b"impersonate-extra-" + name] = "\n".join(values).encode()
        return found

    def peer(self) -> Peer:
        """Return what the connection knows of the sender."""
        return NO_PEER if self.token or not self.name else Peer("", self.name, self.groups)


class Door(NamedTuple):
    """A way to a workspace (`to` is its path, or *): straight, or through a view of an export."""

    to: str
    export: str = ""
    by_id: bool = True

    def prefix(self, world: World) -> str:
        """Return the beginning of the paths of its requests."""
        cluster = self.cluster(world)
        if not self.export:
            return f"/clusters/{cluster if self.by_id else self.to}"
        if self.export == SLOW:
            kind = f"{world.clusters[SHOP]}:slow"
            return f"/services/initializingworkspaces/{kind}/clusters/{cluster}"
        owner = world.clusters[OFFERS[self.export][0]] if self.export in OFFERS else "nowhere"
        return f"/services/apiexport/{owner}/{self.export}/clusters/{cluster}"

    def cluster(self, world: World) -> str:
        """Return the logical cluster behind the door."""
        return world.clusters.get(self.to, self.to)


class Question(NamedTuple):
    """A request, by what it means."""

    who: Asker
    door: Door
    verb: str
    kind: Kind
    part: str = ""
    namespace: str = ""
    name: str = ""
    form: str = "json"
    tier: str = ""
    paged: bool = False
    legacy: bool = False
    stolen: bool = False  # it goes on with the token of somebody else's list
    past: bool = False  # it asks for what was before the last change
    real: bool = False  # it is no dry run
    spelled: bool = False  # it names the identity behind the resource, too

    def __repr__(self) -> str:
        """Return the question as one says it."""
        as_, part = self.who.wanted, f"/{self.part}" if self.part else ""
        whom = f" as {as_.name}{list(self.who.asked)}{dict(as_.extra) or ''}" if as_ else ""
        what = f"{self.kind.resource}{part} {self.namespace}/{self.name}"
        way = f"the view of {self.door.export}" if self.door.export else "workspaces"
        more = " ".join(
            each
            for each in ("paged", "legacy", "stolen", "past", "real", "spelled")
            if getattr(self, each)
        )
        return (
            f"<{self.who.name or 'nobody'}{self.who.token}{list(self.who.groups)}{whom}: "
            f"{self.verb} {what} of {self.door.to} through {way} as {self.form} {self.tier} {more}>"
        )

    def attributes(self) -> Attributes:
        """Return what authorization is asked about."""
        verb = "patch" if self.verb == "apply" else self.verb
        name = self.name if self.verb != "create" or self.part else ""
        namespace = self.namespace if self.kind.namespaced else ""
        kind = self.kind
        return Attributes(verb, kind.group, kind.release, kind.resource, self.part, namespace, name)


class Seen(NamedTuple):
    """An answer: its status, and which objects it speaks of."""

    status: int
    names: frozenset[str]
    text: bytes = b""


# ------------------------------------------------------------------------- asking


class Client:
    """Sends questions to a server."""

    def __init__(self, inside: Inside, world: World) -> None:
        self.inside, self.world = inside, world
        self._heads: dict[Any, HeaderBlock] = {}

    async def ask(self, question: Question, facts: Facts, before: Facts) -> Seen:
        """Send a question and return what the answer tells."""
        body, media = body_of(question, facts, self.world)
        headers = question.who.headers(self.world)
        headers |= {b"accept": ACCEPT[question.form].encode(), b"content-type": media.encode()}
        path, query = self.path(question)
        if question.past:
            match = f"resourceVersion={before.revision}&resourceVersionMatch=Exact"
            query = f"{query}&{match}".lstrip("&")
        if question.paged:
            return await self.pages(question, path, query, headers)
        return await self.send(question, (path, query), headers, body)

    async def send(
        self, question: Question, where: tuple[str, str], headers: dict[bytes, bytes], body: bytes
    ) -> Seen:
        """Send a request, as one of a client that repeats its headers."""
        got = await self.raw(METHODS[question.verb], where, headers, body, question.who.peer())
        asked = question.verb not in COLLECTIONS
        named = {question.name, NEW} if asked else set()
        if isinstance(got, Stream):
            lines = Lines()
            got.start(lines)()
            return Seen(200, marks(lines.text, named), lines.text)
        if got.status >= 300:
            named = {question.name, NEW}
        lines_ = b"".join(b"%b: %b\n" % pair for pair in got.headers) + got.lines
        return Seen(got.status, marks(got.body + lines_, named), got.body)

    async def raw(
        self,
        method: str,
        where: tuple[str, str],
        headers: dict[bytes, bytes],
        body: bytes = b"",
        peer: Peer = NO_PEER,
    ) -> Response | Stream:
        path, query = where
        key = (tuple(sorted(headers.items())), peer)
        heads = self._heads.setdefault(key, HeaderBlock(headers))
        request = Request(method, path, query, heads.fields, body, peer)
        target = f"{path}?{query}" if query else path
        line = f"{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
        request.cut = cut(line.encode() + body)
        if request.cut is not None:
            request.cut.heads = heads
        return await self.inside.running.server.serve(request)

    def path(self, question: Question) -> tuple[str, str]:
        """Return path and query of a question."""
        kind, verb = question.kind, question.verb
        path, options = kind.path(question.namespace), []
        if verb in COLLECTIONS:
            if question.name:
                options.append(f"fieldSelector=metadata.name%3D{question.name}")
            if question.tier:
                options.append(f"labelSelector=tier%3D{question.tier}")
        elif verb != "create" or question.part:
            path += f"/{question.name}"
        if verb == "watch" and question.legacy:
            path = path.replace(f"/{kind.release}/", f"/{kind.release}/watch/", 1)
        elif verb == "watch":
            options.append("watch=true")
        if METHODS[verb] != "GET" and question.part != "token" and not question.real:
            options.append("dryRun=All")
        if verb == "apply":
            options.append("fieldManager=me&force=true")
        path += f"/{question.part}" if question.part else ""
        if question.spelled:
            path = path.replace(kind.resource, f"{kind.resource}:{self.world.identity}")
        return question.door.prefix(self.world) + path, "&".join(options)

    async def watch(self, question: Question) -> tuple[Lines, Callable[[], None]]:
        """Open a watch that is allowed; return what it is told, and what ends it."""
        headers = question.who.headers(self.world)
        headers[b"accept"] = ACCEPT[question.form].encode()
        got = await self.raw("GET", self.path(question), headers, peer=question.who.peer())
        assert isinstance(got, Stream)
        lines = Lines()
        return lines, got.start(lines)

    async def pages(
        self, question: Question, path: str, query: str, headers: dict[bytes, bytes]
    ) -> Seen:
        """Fetch a list one object at a time; each page must be told of alone."""
        found: set[str] = set()
        more = await self.stolen(path, query) if question.stolen else ""
        for _ in range(99):
            where = (path, f"{query}&limit=1&continue={more}".lstrip("&"))
            page = await self.raw("GET", where, headers | {b"accept": b"application/json"}, b"",
                                  question.who.peer())  # fmt: skip
            assert isinstance(page, Response)
            if page.status != 200:
                return Seen(page.status, marks(page.body, {question.name}), page.body)
            found |= marks(page.body, set())
            more = json.loads(page.body)["metadata"].get("continue") or ""
            if not more:
                break
        return Seen(200, frozenset(found), b"")

    async def stolen(self, path: str, query: str) -> str:
        """Return how the master's list of the same goes on."""
        headers = {b"authorization": b"Bearer master", b"accept": b"application/json"}
        got = await self.raw("GET", (path, f"{query}&limit=1".lstrip("&")), headers)
        assert isinstance(got, Response)
        meta = json.loads(got.body).get("metadata") or {} if got.status == 200 else {}
        return str(meta.get("continue") or "")


def marks(text: bytes, known: set[str]) -> frozenset[str]:
    """Return the objects that bytes speak of, but for those that the asker named."""
    return frozenset(each.decode() for each in MARK.findall(text)) - known


def body_of(question: Question, facts: Facts, world: World) -> tuple[bytes, str]:
    """Return the body of a request and its media type."""
    verb, kind = question.verb, question.kind
    if question.part == "token":
        return b"{}", "application/json"
    if verb == "create":
        labels = {"tier": question.tier} if question.tier else {}
        return encode(thing(kind, question.name, labels)), "application/json"
    if verb == "patch":
        return encode({"metadata": {"annotations": {"touched": "yes"}}}), MERGE
    if verb == "apply":
        obj = {"apiVersion": kind.version, "kind": kind.kind, "metadata": {"name": question.name}}
        return encode(obj), APPLY
    if verb == "update":
        return encode(stored(question, facts, world)), "application/json"
    return b"", "application/json"


def encode(obj: Json) -> bytes:
    return json.dumps(obj).encode()


def stored(question: Question, facts: Facts, world: World) -> Json:
    """Return the object of a question's name as somebody sends it back."""
    kind, cluster = question.kind, question.door.cluster(world)
    head = {"apiVersion": kind.version, "kind": kind.kind}
    for each in facts.all(kind.group, kind.resource, cluster):
        if (each.namespace, each.name) == (question.namespace, question.name):
            return head | each.obj
    return thing(kind, question.name)


# ------------------------------------------------------------------------- expecting


class Twin:
    """Says what an answer must be."""

    def __init__(self, facts: Facts, world: World, before: Facts | None = None) -> None:
        self.facts, self.world = facts, world
        self.rights = Rights(facts)
        self.then = self.rights
        if before is not None:
            kinds = [(each.group, each.resource) for each in KINDS]
            self.then = Rights(facts.mixed(before, kinds, "mk"))

    def acting(self, who: Asker, cluster: str) -> User:
        """Return who somebody is at a door; Denied if they may not be whom they want to be."""
        user = who.user(self.world)
        if who.wanted is None:
            return user
        if not self.rights.may_act_as(user, cluster, who.wanted, who.asked):
            raise Denied
        return who.wanted if self.rights.is_master(user, cluster) else scoped(who.wanted, cluster)

    def visible(
        self, who: Asker, door: Door, ask: Attributes, rights: Rights | None = None
    ) -> list[Thing]:
        """Return the objects that somebody may ask about in this way."""
        rights = rights or self.rights
        cluster = door.cluster(self.world)
        user, sender = self.acting(who, cluster), who.user(self.world)
        # Acting as another does not lead around what an export permits at most.
        acts = who.wanted is not None and not rights.is_master(sender, cluster)
        if door.export == SLOW:
            return rights.in_initializing(user, (self.world.clusters[SHOP], "slow"), cluster, ask)
        if not door.export:
            found = rights.in_workspace(user, cluster, ask)
            permitted = not acts or rights.permitted(sender, cluster, ask)
        else:
            export = self.export(door)
            found = rights.in_view(user, export, cluster, ask)
            permitted = not acts or rights.claim_permits(sender, export, cluster, ask)
        if not permitted:
            raise Denied
        return found

    def export(self, door: Door) -> Export:
        """Return the export whose view a door is."""
        owner = self.world.clusters[OFFERS[door.export][0]] if door.export in OFFERS else "nowhere"
        return Export(owner, door.export)

    def expected(self, question: Question) -> Seen:
        """Return the answer to a question."""
        ask = question.attributes()
        try:
            things = self.visible(question.who, question.door, ask)
            if question.part == "token" and question.door.export in OFFERS:
                raise Missing
            if question.past:
                things = things + self.visible(question.who, question.door, ask, self.then)
            self._check_new(question)
            return self._about(question, ask, within(question, things))
        except Denied:
            return Seen(403, frozenset())
        except Missing:
            return Seen(404, frozenset())

    def _check_new(self, question: Question) -> None:
        """Denied for a new object that contradicts the selector of the claim that allows it."""
        if question.verb != "create" or question.door.export not in OFFERS or not question.tier:
            return
        labels = {"tier": question.tier}
        export, cluster = self.export(question.door), question.door.cluster(self.world)
        if not self.rights.may_carry(export, cluster, question.attributes(), labels):
            raise Denied

    def _about(self, question: Question, ask: Attributes, things: list[Thing]) -> Seen:
        verb = question.verb
        names = {each.name for each in things}
        if verb in COLLECTIONS:
            return Seen(200, frozenset(each for each in names if MARK.fullmatch(each.encode())))
        if question.part == "token":
            return Seen(201 if question.name in names else 404, frozenset())
        if verb == "create":
            return Seen(201, frozenset())
        if verb == "apply" and question.name == NEW:
            self.visible(question.who, question.door, ask._replace(verb="create"))
            return Seen(201, frozenset())
        return Seen(200 if question.name in names else 404, frozenset())


def within(question: Question, things: Iterable[Thing]) -> list[Thing]:
    """Return the objects that a request's path and selectors let through."""
    namespace = question.namespace if question.kind.namespaced else ""
    found = [each for each in things if not namespace or each.namespace == namespace]
    if question.verb in COLLECTIONS:
        if question.name:
            found = [each for each in found if each.name == question.name]
        if question.tier:
            found = [each for each in found if each.labels.get("tier") == question.tier]
    return [each for each in found if each.name == "cluster" or MARK.match(each.name.encode())]


def agree(question: Question, seen: Seen, wanted: Seen) -> bool:
    """Tell whether an answer is the expected one; 404 and 405 both say that there is nothing."""
    same = seen.status == wanted.status or (wanted.status == 404 and seen.status == 405)
    if question.spelled and seen.status == 404:
        return not seen.names
    if seen.status == 410 and question.past:
        return wanted.status == 200
    if question.stolen or question.past:
        # Of a list that goes on the first object is not told; of what was, not what came later.
        many = len(wanted.names - seen.names) <= 1 or question.past
        return same and seen.names <= wanted.names and many
    names = seen.names if question.verb in COLLECTIONS or seen.status >= 300 else frozenset()
    return same and names == wanted.names
