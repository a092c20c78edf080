"""The habits that no linter knows."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from statistics import median

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["agent", "blocks", "deployments", "fleet", "flows", "sandbox", "tasks"]
SOURCES = sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))
MODULE_LIMIT = 300
FLOW_LIMIT = 40
MEDIAN_LIMIT = 8


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions of a module."""
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring."""
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_at_most_three_hundred_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LIMIT


@pytest.mark.parametrize("path", sorted((ROOT / "flows").glob("[a-z]*.py")), ids=lambda path: path.name)
def test_a_flow_reads_as_a_table_of_contents(path: Path) -> None:
    assert all(lines(function) <= FLOW_LIMIT for function in functions(path))


def test_half_of_all_functions_have_eight_lines_or_fewer() -> None:
    assert median(lines(function) for path in SOURCES for function in functions(path)) <= MEDIAN_LIMIT


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_everything_public_has_a_docstring(path: Path) -> None:
    bare = [
        node.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_file_turns_certificate_checks_off_or_uses_a_shell() -> None:
    banned = ["verify" + "=False", "shell" + "=True", "unittest" + ".mock"]
    found = [(path.name, word) for path in SOURCES for word in banned if word in path.read_text()]
    assert found == []


def test_the_lock_names_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock.replace("# via", "")


def test_every_deployment_is_in_the_readme_and_its_flow_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        module, _, name = deployment["entrypoint"].rpartition(".")
        path = ROOT / f"{module.replace('.', '/')}.py"
        assert f"`{deployment['name']}`" in readme
        assert name in [function.name for function in functions(path)]


def test_make_alone_lists_every_command_with_a_line() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    listed = done.stdout
    assert {line.split()[0] for line in listed.splitlines()} >= {"demo", "down", "test", "check", "help"}
