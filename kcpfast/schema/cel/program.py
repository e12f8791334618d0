"""The compiled expression, and how a source becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import COMPILATION, INSTANTIATION, Budget, CelError, Mistakes
from .celtypes import CelType, describe, same
from .checker import Checker
from .compiler import Compiler
from .library.operators import NO_OVERLOAD
from .syntax.nodes import Node
from .syntax.parser import Parser


class CelProgram:
    """A compiled expression; it may be evaluated any number of times.

    `result_type` is its type, `uses` the declared variables that it reads, `tree` the checked tree
    and `resolve` the final form of a type in it (for estimates).
    """

    # fmt: off
    __slots__ = ("_cost", "_inputs", "_run", "_slots", "resolve", "result_type", "tree", "uses")
    # fmt: on

    def __init__(self, tree: Node, checker: Checker) -> None:
        """Compile a checked tree; CelError (INSTANTIATION) when a constant has no value."""
        self.tree = tree
        self.resolve = checker.resolve
        self.result_type = checker.resolve(tree.type)
        self._inputs = tuple(checker.inputs.items())
        self.uses = frozenset(checker.inputs)
        compiler = Compiler(checker.resolve)
        try:
            self._run, self._cost = compiler.block(tree)
        except CelError as error:
            raise CelError(error.message, stage=INSTANTIATION) from None
        self._slots = checker.slots

    def evaluate(self, bindings: Mapping[str, object], budget: Budget) -> object:
        """Return the value for these variables, charging `budget`; CelError when there is none.

        The value may share parts with the bindings and the program: it is not to be changed.
        """
        frame: list[Any] = [None] * self._slots
        frame[0] = budget
        before = budget.open()
        try:
            for name, slot in self._inputs:
                frame[slot] = bindings[name]
            budget.charge(self._cost)
            return self._run(frame)
        except KeyError as error:
            if error.args and error.args[0] in self.uses and error.args[0] not in bindings:
                raise CelError(f"no such attribute(s): {error.args[0]}") from None
            raise CelError(NO_OVERLOAD) from error
        except (AttributeError, IndexError, TypeError, ValueError, OverflowError) as error:
            # A value that is not of the type declared for it. The schema is validated first, so
            # that only a caller's mistake leads here.
            raise CelError(NO_OVERLOAD) from error
        except RecursionError:
            raise CelError("evaluation nests too deeply") from None
        finally:
            budget.close(before)


def compile_expression(
    source: str,
    variables: Mapping[str, CelType],
    *,
    expect: CelType | None = None,
    types: Mapping[str, CelType] | None = None,
) -> CelProgram:
    """Return the program of an expression over declared variables.

    `variables` maps names (which may hold dots: `authorizer.requestResource`) to types, `types`
    the names of objects that may be constructed to theirs. With `expect` the result must be of
    exactly that type. Raises CelError with every mistake found, in cel-go's words.
    """
    try:
        tree = Parser(source).parse()
        mistakes = Mistakes(source)
        checker = Checker(variables, types or {}, mistakes)
        checker.check(tree)
        mistakes.raise_if_any()
        checker.late.raise_if_any()
        program = CelProgram(tree, checker)
    except RecursionError:
        message = "ERROR: <input>:-1:0: expression nests too deeply"
        raise CelError(message, stage=COMPILATION) from None
    if expect is not None and not same(program.result_type, expect):
        raise CelError(f"cel expression must evaluate to a {describe(expect)}")
    return program
