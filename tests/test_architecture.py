"""The rules of the tree that imports and linters cannot express. A limit is raised by a decision in docs/adr alone."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.environment import ROOT

FILE_LINES, TEST_LINES, FUNCTION_LINES, DECISION_LINES = 300, 500, 60, 40
# In ml alone: they cost seconds and 500 MB, and must not reach a pool's parent.
CLOCKS = {"now", "today", "time", "localdate", "localtime", "utcnow"}
LATE_IMPORTS = {"tensorflow", "keras", "openvino"}
DOORS = {"ml.models.frozen", "ml.models.openvino_graph"}  # modules that nothing but these need

TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]
CODE = [path for path in TRACKED if path.suffix == ".py"]
TREES = {path: ast.parse(path.read_text(), str(path)) for path in CODE}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_test(path: Path) -> bool:
    return short(path).startswith("tests/")


def product() -> Iterator[tuple[Path, ast.Module]]:
    return ((path, tree) for path, tree in TREES.items() if not is_test(path))


def functions_of(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def test_files_stay_short():
    long = {
        short(path): lines
        for path in CODE
        if "/migrations/" not in short(path)
        and (lines := len(path.read_text().splitlines())) > (TEST_LINES if is_test(path) else FILE_LINES)
    }

    assert long == {}


def told_at_import(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each question for the time of day that is asked while a module is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.Lambda):
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS:
            yield node.lineno
        yield from told_at_import(node)


def test_no_module_takes_the_time_of_day_when_it_is_imported():
    """What it holds is older by all that ran since, which a test notices on a slow machine alone."""
    found = {short(path): lines for path, tree in TREES.items() if (lines := list(told_at_import(tree)))}

    assert found == {}


def body_lines(function: Function) -> int:
    """Count from the first line after the signature: a drawing by twenty properties has a long one."""
    return (function.end_lineno or 0) - function.body[0].lineno + 1


def test_functions_stay_short():
    long = {
        f"{short(path)}:{function.name}": lines
        for path, tree in TREES.items()
        for function in functions_of(tree)
        if (lines := body_lines(function)) > FUNCTION_LINES
    }

    assert long == {}


def late_imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the function and the module of each import that stands inside a function."""
    for function in functions_of(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                yield from ((function.name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield function.name, node.module or "."


def may_be_late(path: Path, function: str, module: str) -> bool:
    name = short(path)
    if name.startswith("ml/"):
        return module.partition(".")[0] in LATE_IMPORTS or module in DOORS
    return name == "manage.py" or (path.name == "apps.py" and function == "ready")


def test_imports_stand_at_the_top_but_for_tensorflow_and_ready():
    late = [
        f"{short(path)}:{function} imports {module}"
        for path, tree in product()
        for function, module in late_imports(tree)
        if not may_be_late(path, function, module)
    ]

    assert late == []


def test_tensorflow_is_never_imported_with_a_module():
    at_the_top = [
        f"{short(path)}: {module}"
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node.col_offset == 0
        for module in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
        if module.partition(".")[0] in LATE_IMPORTS
    ]

    assert at_the_top == []


def test_nothing_waits_for_a_signal_of_django():
    """A service is called; what a signal would do is not seen where it happens."""
    listening = [
        f"{short(path)} imports {node.module}"
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("django.")
        and ("signals" in (node.module or "") or (node.module or "") == "django.dispatch")
    ]

    assert listening == []


def test_packages_of_ml_are_empty():
    full = [
        short(path)
        for path in CODE
        if short(path).startswith("ml/") and path.name == "__init__.py" and path.read_text()
    ]

    assert full == []


def test_no_exception_is_swallowed_whole():
    """`except Exception` either records what it caught or raises; `pass` alone does neither."""
    swallowing = [
        f"{short(path)}:{node.lineno}"
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and all(isinstance(line, ast.Pass | ast.Continue) for line in node.body)
    ]

    assert swallowing == []


def test_every_silenced_lint_says_why_or_names_its_rule():
    bare = [
        f"{short(path)}:{number}"
        for path in CODE
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# (noqa|type: ignore)(?![:\[])", line)
    ]

    assert bare == []


MACHINE_PATHS = re.compile(r"(?<![\w.$-])/(?:work|root|home)/\w|file://|[A-Z]:\\\\Users")
MERGE_MARKS = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".html", ".js", ".css", ".json", ".cfg", ".in", ""}


@pytest.mark.parametrize("forbidden", [MACHINE_PATHS, MERGE_MARKS], ids=["paths of one machine", "merge marks"])
def test_no_tracked_file_holds(forbidden):
    found = [
        f"{short(path)}: {match.group()}"
        for path in TRACKED
        if path.suffix in TEXT and "static/vendor" not in short(path) and path != Path(__file__)
        for match in forbidden.finditer(path.read_text(errors="replace"))
    ]

    assert found == []


def test_no_picture_or_weight_enters_by_accident():
    """What is committed is drawn by the project. Pictures of documents and bundles are named here by folder."""
    odd = [
        short(path)
        for path in TRACKED
        if path.suffix.lower()
        in {".dcm", ".nii", ".gz", ".zip", ".h5", ".keras", ".pkl", ".joblib", ".pt", ".pth", ".npy", ".jpg", ".jpeg"}
    ]
    pictures = [
        short(path)
        for path in TRACKED
        if path.suffix.lower() == ".png" and not short(path).startswith(("docs/", "static/"))
    ]

    assert odd == []
    assert pictures == []


def test_decisions_fit_on_a_page():
    long = {
        short(path): lines
        for path in TRACKED
        if short(path).startswith("docs/adr/") and (lines := len(path.read_text().splitlines())) > DECISION_LINES
    }

    assert long == {}
