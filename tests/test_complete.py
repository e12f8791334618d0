"""What is written is also wired: plugins, views, reconcilers, store errors, strategies of kinds.

Each test derives its list from the source, so that none of them has to be told of what is new.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from kcpfast.api.steps.finishing import refuse
from kcpfast.registry.strategies import STRATEGIES
from kcpfast.resources.builtin import BUILTIN_ROWS, CREATE_VERB
from kcpfast.server.wakes import WAKES
from kcpfast.store import contract
from kcpfast.transport.messages import Request, Response

PACKAGE = Path(__file__).parent.parent / "kcpfast"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def parsed(path: str) -> ast.Module:
    return ast.parse((PACKAGE / path).read_text())


def imported(tree: ast.Module) -> set[str]:
    """Return the full names of what a module imports."""
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def returning(tree: ast.AST, annotation: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the public functions directly in a module or class that return such a thing."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, FUNCTIONS) and node.returns and not node.name.startswith("_"):
            names = {name.id for name in ast.walk(node.returns) if isinstance(name, ast.Name)}
            if annotation in names:
                yield node


def classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def chains() -> Iterator[str]:
    """Yield the full names of the modules and classes that make admission plugins."""
    paths = [*PACKAGE.glob("admission/*.py"), *PACKAGE.glob("kcp/**/*.py")]
    for path in sorted(paths):
        tree = ast.parse(path.read_text())
        module = ".".join(("kcpfast", *path.relative_to(PACKAGE).with_suffix("").parts))
        if list(returning(tree, "Plugin")):
            yield module
        yield from (f"{module}.{cls.name}" for cls in classes(tree) if [*returning(cls, "Plugin")])


@pytest.mark.parametrize("name", list(chains()))
def test_who_makes_plugins_stands_in_the_chain(name: str) -> None:
    assert name in imported(parsed("server/wire.py"))


def views() -> Iterator[str]:
    for path in sorted(PACKAGE.glob("kcp/views/*.py")):
        names = [cls.name for cls in classes(ast.parse(path.read_text()))]
        yield from (
            f"kcpfast.kcp.views.{path.stem}.{name}" for name in names if name[-4:] == "View"
        )


@pytest.mark.parametrize("name", list(views()))
def test_a_view_has_a_path(name: str) -> None:
    assert name in imported(parsed("kcp/views/__init__.py"))


def wired() -> dict[str, str]:
    """Return which method of a controller works through the work items of a name."""
    tree = parsed("server/wire.py")
    function = next(n for n in tree.body if getattr(n, "name", "") == "_reconcilers")
    table = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    names = [ast.literal_eval(key) for key in table.keys if key is not None]
    methods = [method.attr for method in table.values if isinstance(method, ast.Attribute)]
    return dict(zip(names, methods, strict=True))


def reconcilers() -> Iterator[str]:
    for path in sorted(PACKAGE.glob("controllers/*.py")):
        for cls in classes(ast.parse(path.read_text())):
            yield from (method.name for method in returning(cls, "Outcome"))


@pytest.mark.parametrize("method", sorted(set(reconcilers())))
def test_a_reconciler_has_a_name(method: str) -> None:
    assert method in wired().values()


def woken() -> set[str]:
    """Return the names of the controllers for which somebody makes work items."""
    trees = [ast.parse(path.read_text()) for path in PACKAGE.glob("**/*.py")]
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    first = {
        call.args[0].value
        for call in calls
        if getattr(call.func, "attr", "") == "work_item"
        if isinstance(call.args[0], ast.Constant)
    }
    return {str(name) for name in first} | {row.controller for row in WAKES}


def test_each_controller_is_woken_and_no_other() -> None:
    assert woken() == set(wired())


# The code of the answer when the store raises and no verb knows better.
STORE_ANSWERS = {
    contract.Compacted: 500,
    contract.Conflict: 500,
    contract.Corrupted: 500,
    contract.Full: 507,
    contract.StoreError: 500,
    contract.StoreFailed: 500,
}


def test_each_store_error_has_an_answer() -> None:
    values = [value for value in vars(contract).values() if isinstance(value, type)]
    errors = {value for value in values if issubclass(value, contract.StoreError)}
    request = cast("Request", SimpleNamespace(method="GET", path="/api"))
    answers = {error: refuse(request, None, error.__new__(error)) for error in errors}
    codes = {error: cast("Response", answer).status for error, answer in answers.items()}
    assert codes == STORE_ANSWERS


def test_each_kind_that_is_stored_has_a_strategy() -> None:
    kinds = {(row.group, row.plural) for row in BUILTIN_ROWS if row.verbs != CREATE_VERB}
    assert kinds <= set(STRATEGIES)
