"""The house stands: imports point down, run in no circles, and no module hides behind a function's name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Packages that each may import, beside itself.
BELOW = {
    "simcore": set[str](),
    "workloads": {"simcore"},
    "traces": {"simcore", "workloads"},
    "arch": {"simcore", "workloads"},
    "benchmarks": {"simcore", "workloads", "traces", "arch"},
    "imcsim": {"simcore", "workloads", "traces", "arch", "benchmarks"},
}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in BELOW
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imported(name: str) -> Iterator[str]:
    """Yield the modules of this project that a module imports, anywhere but for type checking."""
    for node in statements(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{name}:{node.lineno} imports relatively; write the whole name"
            # A name behind `from package import` is a module if there is one, else it is in the package.
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [module if module in FILES else node.module for module in inner]
        else:
            continue
        yield from (module for module in found if module in FILES and module != name)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a tree, but those under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield from statements(child)


@pytest.mark.parametrize("name", FILES)
def test_imports_point_down(name: str) -> None:
    package = name.partition(".")[0]
    wrong = [
        module for module in imported(name) if module.partition(".")[0] not in {package, *BELOW[package]}
    ]
    assert not wrong


def test_no_modules_import_one_another_in_a_circle() -> None:
    # A package's own module only collects names, so importing from it counts as importing what it collects.
    imports = {name: set(imported(name)) for name in FILES}
    left = dict(imports)
    while free := [name for name, modules in left.items() if not modules & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"in circles, or behind one: {', '.join(sorted(left))}"


@pytest.mark.parametrize("package", BELOW)
def test_no_module_is_called_like_a_public_function_of_its_package(package: str) -> None:
    inside = {name: path for name, path in FILES.items() if name.partition(".")[0] == package}
    functions = {
        node.name
        for path in inside.values()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert not [name for name in inside if name.rpartition(".")[2] in functions]
