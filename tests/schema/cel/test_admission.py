"""What admission policies need: objects made in CEL, JSON patches, the authorizer."""

from typing import Any

import pytest

from kcpfast.schema.cel import (
    Budget,
    CelError,
    compile_expression,
    list_of,
    object_of,
    opaque,
    open_object,
    parse_type,
    plain,
)

STRING, DYN = parse_type("string"), parse_type("dyn")
PATCH = object_of("JSONPatch", {"op": STRING, "path": STRING, "from": STRING, "value": DYN})
TYPES = {"Object": open_object("Object"), "JSONPatch": PATCH}


def make(source: str, **bindings: object) -> object:
    variables = dict.fromkeys(bindings, DYN)
    program = compile_expression(source, variables, types=TYPES)
    return plain(program.evaluate(bindings, Budget()))


def test_apply_configuration() -> None:
    source = "Object{spec: Object.spec{replicas: o.n + 1, list: [Object.spec.list{a: b'x'}]}}"
    assert make(source, o={"n": 2}) == {"spec": {"replicas": 3, "list": [{"a": "eA=="}]}}


def test_optional_field_is_left_out() -> None:
    assert make("Object{?a: o.?x, ?b: o.?n}", o={"n": 2}) == {"b": 2}


def test_json_patch() -> None:
    source = (
        "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c~'), value: duration('1s')}]"
    )
    assert make(source) == [{"op": "add", "path": "/a/b~1c~0", "value": "1s"}]
    program = compile_expression(source, {}, expect=list_of(PATCH), types=TYPES)
    assert program.result_type.kind == "list"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("JSONPatch{op: 1}", "expected type of field 'op' is 'string' but provided type is 'int'"),
        ("JSONPatch{zz: 1}", "undefined field 'zz'"),
        ("Other{a: 1}", "undeclared reference to 'Other' (in container '')"),
    ],
)
def test_wrong_construction(source: str, message: str) -> None:
    with pytest.raises(CelError) as caught:
        make(source)
    assert message in caught.value.message


def test_type_name_must_follow_the_path() -> None:
    with pytest.raises(CelError, match=r'type name "Object\.foo", expected "Object\.spec"'):
        make("Object{spec: Object.foo{}}")


class Check:
    """Stands for the server's authorizer and everything it returns."""

    def __init__(self, *said: str) -> None:
        self.said = said

    def __getattr__(self, name: str) -> Any:
        return lambda *args: Check(*self.said, name, *args)

    def allowed(self) -> bool:
        return "create" in self.said

    def reason(self) -> str:
        return " ".join(self.said)


AUTHORIZER = {"authorizer": opaque("kubernetes.authorization.Authorizer")}


def ask(source: str, budget: Budget | None = None) -> object:
    program = compile_expression(source, AUTHORIZER)
    return program.evaluate({"authorizer": Check()}, budget or Budget())


def test_authorizer_is_asked() -> None:
    chain = "authorizer.group('apps').resource('deployments').subresource('scale').namespace('n')"
    chain += ".name('x').check('create')"
    assert ask(f"{chain}.allowed()") is True
    said = "group apps resource deployments subresource scale namespace n name x check create"
    assert ask(f"{chain}.reason()") == said
    assert ask("authorizer.serviceAccount('n', 's').path('/x').check('get').allowed()") is False


def test_two_checks_fit_into_one_call() -> None:
    check = "authorizer.path('/x').check('create').allowed()"
    assert ask(f"{check} && {check}") is True
    with pytest.raises(CelError, match="cost limit"):
        ask(f"{check} && {check} && {check}")


def test_declared_name_with_a_dot() -> None:
    types = {"authorizer.requestResource": opaque("kubernetes.authorization.ResourceCheck")}
    program = compile_expression("authorizer.requestResource.check('create').allowed()", types)
    assert program.uses == {"authorizer.requestResource"}
    assert program.evaluate({"authorizer.requestResource": Check()}, Budget()) is True


def test_lazy_variables_are_computed_when_read() -> None:
    read = []

    class Variables(dict[str, object]):
        def __getitem__(self, name: str) -> object:
            read.append(name)
            return 5

    variables = object_of("variables", {"a": parse_type("int"), "b": parse_type("int")})
    program = compile_expression("variables.a > 3 || variables.b > 3", {"variables": variables})
    assert program.evaluate({"variables": Variables()}, Budget()) is True
    assert read == ["a"]
