"""Linters are tests: style, types, layers, spelling, and how large a thing may grow."""

from __future__ import annotations

import ast
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("kcpfast", "tests", "bench")

MODULE_LINES, MEDIAN_MODULE_LINES = 500, 150
FUNCTION_LINES, MEDIAN_FUNCTION_LINES = 60, 10
ARGUMENTS = 7
FILES = 15

# What is over a budget today, and why. Nothing may be added; what is mended must leave.
EXCEPTIONS: dict[str, str] = {}

KERNEL = """
cdef int declared(
    int x) noexcept nogil
cdef int shaped = size(1)

cdef int first(int x) noexcept nogil:
    cdef int y = size(x)
    return y


cdef int second(
        void* txn,
        int x) noexcept nogil:
    if x:

        return 1

cdef class Thing:
    def method(self):
        return 1

    cdef bytes read(self):

        return b""
"""

COMMANDS = (
    ("ruff", "check", "--quiet"),
    ("ruff", "format", "--check", "--quiet"),
    ("mypy",),
    ("lint-imports",),
    ("codespell",),
)


class Function(NamedTuple):
    """A function: where it is, how long it is, and how much it wants to know."""

    place: str
    lines: int
    arguments: int


def run(*command: str) -> None:
    """Run a tool of this environment over the tree; what it says is what the test says."""
    tool = shutil.which(command[0], path=str(Path(sys.executable).parent))
    assert tool is not None, f"{command[0]} is not installed"
    done = subprocess.run(
        [tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def kernels() -> list[Path]:
    return sorted((ROOT / "kcpfast").rglob("*.pyx"))


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def length(path: Path) -> int:
    return path.read_text().count("\n")


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            names = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            lines = node.end_lineno - node.lineno + 1
            yield Function(f"{short(path)}:{node.name}", lines, len(names))


# The first line of a function in Cython.
CYTHON_FUNCTION = re.compile(r"( *)(?:def|cdef|cpdef)\b[^=]*?(\w+)\(")


class CythonFunction(NamedTuple):
    """A function of a `.pyx` file: its name, the number of its first line, and its lines."""

    name: str
    number: int
    header: list[str]
    body: list[str]


def is_open(lines: list[str]) -> bool:
    text = "".join(lines)
    return text.count("(") > text.count(")")


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def cython_functions(path: Path) -> Iterator[CythonFunction]:
    """Yield the functions of a `.pyx` file, found by indentation: no parser of Python reads it."""
    lines = path.read_text().splitlines()
    for start, line in enumerate(lines):
        first = CYTHON_FUNCTION.match(line)
        if first is None:
            continue
        end = start + 1
        while is_open(lines[start:end]):
            end += 1
        header = lines[start:end]
        if not header[-1].endswith(":"):
            continue  # a declaration, or a variable with the result of a call
        body = []
        for text in lines[end:]:
            if text.strip() and indent(text) <= len(first[1]):
                break
            body.append(text)
        while not body[-1].strip():
            body.pop()
        yield CythonFunction(first[2], start + 1, header, body)


def over_budget() -> Iterator[str]:
    """Yield what is larger than it may be: rooms, modules and functions.

    A kernel is under the same limits of length. Its inner functions may take more arguments: they
    cannot share an object while they run without the interpreter lock.
    """
    rooms = Counter(short(path.parent) for path in sources("kcpfast"))
    yield from (room for room, files in rooms.items() if files > FILES)
    for path in sources(*ROOMS):
        if length(path) > MODULE_LINES:
            yield short(path)
        for each in functions(path):
            if each.lines > FUNCTION_LINES or each.arguments > ARGUMENTS:
                yield each.place
    for path in kernels():
        if length(path) > MODULE_LINES:
            yield short(path)
        for function in cython_functions(path):
            if len(function.header) + len(function.body) > FUNCTION_LINES:
                yield f"{short(path)}:{function.name}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    run(*command)


def test_cython_lint_finds_nothing() -> None:
    found = [str(path) for kind in ("*.pyx", "*.pxd") for path in (ROOT / "kcpfast").rglob(kind)]
    if found:
        run("cython-lint", *found)


@pytest.mark.timeout(300)
def test_stubs_match_what_is_built() -> None:
    stubs = [path.relative_to(ROOT) for path in (ROOT / "kcpfast").rglob("*.pyi")]
    for stub in stubs:
        run("stubtest", "--ignore-missing-stub", ".".join(stub.with_suffix("").parts))


def test_kernels_import_kernels_only() -> None:
    """import-linter sees packages; this sees each statement, the lazy ones too."""
    for path in sources("kcpfast/_core"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else ["relative"]
            elif isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            else:
                continue
            foreign = [name for name in names if name.startswith(("kcpfast", "relative"))]
            assert all(name.startswith("kcpfast._core") for name in foreign), short(path)


def test_modules_say_why_they_exist() -> None:
    silent = []
    for path in sources(*ROOMS):
        text = path.read_text()
        if (text or path.is_relative_to(ROOT / "kcpfast")) and not ast.get_docstring(
            ast.parse(text)
        ):
            silent.append(short(path))
    assert not silent


def test_kernels_document_what_is_public() -> None:
    """Docstrings of public modules, classes and functions in `.py` files are rules D1 of ruff.

    They run in test_tool_finds_nothing, without an exception in kcpfast; this is for `.pyx` files.
    """
    silent = []
    for path in kernels():
        text = path.read_text()
        if not re.match(r'(#.*\n)*"""', text):
            silent.append(short(path))
        silent += re.findall(r'^cdef class (\w+).*:\n(?! +""")', text, re.MULTILINE)
        for function in cython_functions(path):
            public = function.header[0].lstrip().startswith(("def ", "cpdef "))
            documented = function.body[0].lstrip().startswith('"""')
            if public and not function.name.startswith("_") and not documented:
                silent.append(f"{short(path)}:{function.name}")
    assert silent == []


def test_functions_of_kernels_are_found(tmp_path: Path) -> None:
    path = tmp_path / "kernel.pyx"
    path.write_text(KERNEL)
    lengths = {
        function.name: len(function.header) + len(function.body)
        for function in cython_functions(path)
    }
    assert lengths == {"first": 3, "second": 6, "method": 2, "read": 3}


def raised_by_name(path: Path) -> Iterator[str]:
    """Yield where a local variable is raised that its frame still has afterwards.

    The error knows the frame, which knows the error: both live on, with all that a request holds,
    until a collector comes by. `except ... as` forgets its name by itself.
    """
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        handled = {each.name for each in nodes if isinstance(each, ast.ExceptHandler)}
        dropped = {
            name.id
            for each in nodes if isinstance(each, ast.Try)
            for last in each.finalbody if isinstance(last, ast.Delete)
            for name in last.targets if isinstance(name, ast.Name)
        }  # fmt: skip
        for each in nodes:
            if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Name):
                name = each.exc.id
                if name.islower() and name not in handled | dropped:
                    yield f"{short(path)}:{each.lineno} {name}"


def test_an_error_is_not_kept_by_the_frame_that_raises_it() -> None:
    assert [each for path in sources("kcpfast") for each in raised_by_name(path)] == []


def test_nothing_outgrows_its_budget() -> None:
    assert sorted(over_budget()) == sorted(EXCEPTIONS)


def test_modules_and_functions_are_short_as_a_rule() -> None:
    modules = sources("kcpfast")
    assert statistics.median(map(length, modules)) <= MEDIAN_MODULE_LINES
    lines = [each.lines for path in modules for each in functions(path)]
    assert statistics.median(lines) <= MEDIAN_FUNCTION_LINES
