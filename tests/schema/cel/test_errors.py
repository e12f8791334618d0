"""What a user reads when an expression does not compile."""

import pytest

from kcpfast.schema.cel import CelError, CelType, compile_expression, parse_type

from . import typed

TYPES = typed({"i": "int", "s": "string", "l": "list(int)"})

FIRST_LINES = {
    "1 + x": "ERROR: <input>:1:5: undeclared reference to 'x' (in container '')",
    "1 + 'a'": "ERROR: <input>:1:3: found no matching overload for '_+_'"
    " applied to '(int, string)'",
    "s.startsWith(1)": "ERROR: <input>:1:13: found no matching overload for 'startsWith'"
    " applied to 'string.(int)'",
    "s.f": "ERROR: <input>:1:2: type 'string' does not support field selection",
    "i &&\n\ts == 'a'": "ERROR: <input>:1:3: found no matching overload for '_&&_'"
    " applied to '(int, bool)'",
    "true ||\n  y": "ERROR: <input>:2:3: undeclared reference to 'y' (in container '')",
    "[1, 'a']": "ERROR: <input>:1:5: expected type 'int' but found 'string'",
    "i.all(x, true)": "ERROR: <input>:1:1: expression of type 'int' cannot be range of a"
    " comprehension (must be list, map, or dynamic)",
    "has(s)": "ERROR: <input>:1:5: invalid argument to has() macro",
    "l.all(1, true)": "ERROR: <input>:1:7: argument must be a simple name",
    "if": "ERROR: <input>:1:1: reserved identifier: if",
    "(1": "ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'",
    "1 2": "ERROR: <input>:1:3: Syntax error: extraneous input '2' expecting <EOF>",
    "'abc": "ERROR: <input>:1:1: Syntax error: token recognition error at: ''abc'",
    "timestamp('x')": "ERROR: <input>:1:11: invalid timestamp argument",
    "s.matches('(')": "ERROR: <input>:1:11: invalid matches argument",
    "'%d'.format(['a'])": "ERROR: <input>:1:14: error during formatting: decimal clause can only"
    " be used on integers, was given string",
    "Object{a: 1}": "ERROR: <input>:1:7: undeclared reference to 'Object' (in container '')",
}


@pytest.mark.parametrize(("source", "line"), FIRST_LINES.items())
def test_first_line(source: str, line: str) -> None:
    with pytest.raises(CelError) as caught:
        compile_expression(source, TYPES)
    assert caught.value.message.split("\n")[0] == line
    assert caught.value.stage == "compilation failed"
    assert line.startswith(f"ERROR: <input>:{caught.value.line}:{caught.value.column}: ")


def test_every_mistake_is_listed_with_its_line() -> None:
    with pytest.raises(CelError) as caught:
        compile_expression("x +\n  y", {})
    assert caught.value.message == (
        "ERROR: <input>:1:1: undeclared reference to 'x' (in container '')\n | x +\n | ^\n"
        "ERROR: <input>:2:3: undeclared reference to 'y' (in container '')\n |   y\n | ..^"
    )


def test_constant_without_value_is_found_before_evaluation() -> None:
    with pytest.raises(CelError) as caught:
        compile_expression("int('x') > 1", {})
    assert caught.value.stage == "program instantiation failed"


@pytest.mark.parametrize(
    ("wanted", "source"), [("bool", "1"), ("bool", "dyn(true)"), ("string", "1")]
)
def test_result_of_another_type_is_refused(wanted: str, source: str) -> None:
    with pytest.raises(CelError, match=f"^cel expression must evaluate to a {wanted}$"):
        compile_expression(source, {}, expect=parse_type(wanted))


def test_undefined_field_of_an_object() -> None:
    own = CelType("object", "Thing")
    with pytest.raises(CelError, match="undefined field 'foo'"):
        compile_expression("self.foo", {"self": own})
