"""Every variable that is read is documented, and every documented one is read."""

import ast
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from ibex import env_files
from ibex.env_files import GENERATED, documented, parse, processes, render, render_all
from tests.conftest import ROOT

PACKAGES = [path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
BASICS = ["ibex/env.py", "ibex/logs.py", "ibex/ports.py"]
SERVED = [*BASICS, "ibex/settings.py", "ibex/serve.py", "ibex/startup.py"]
READ_BY = {
    "api": SERVED,
    "memory": SERVED,
    "dashboard": SERVED,
    "worker": [*BASICS, "ibex/worker_process.py", "ibex/queues.py", "ibex/due.py"],
    "proxy": [*BASICS, "proxy/"],
    "embedder": [*BASICS, "embedder/"],
    "context": [*BASICS, "context/"],
}
"""Source that certainly runs in each process."""
SET_BY_THE_PROCESS = {"IBEX_ROLE", "DJANGO_SETTINGS_MODULE"}
"""Read, but every entry point sets it itself: operators never do."""


def reads(tree: ast.Module) -> set[str]:
    """Return the names of the variables that a module reads, through its own helpers too."""
    read = {_named(node) for node in ast.walk(tree) if _is_read(node)}
    helpers = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and _reads_a_parameter(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in helpers and node.args:
            read.add(_named(node))
    return read - {"", "PATH"}


def _is_read(node: ast.AST) -> bool:
    """Recognise `env.<type>(…)`, `os.environ.get(…)` and `os.environ[…]`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        return ast.unparse(node.func.value) in {"env", "os.environ"}
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        return ast.unparse(node.value) == "os.environ"
    return False


def _named(node: Any) -> str:
    """Return the literal name that is read, or nothing for a computed one."""
    key = node.args[0] if isinstance(node, ast.Call) else node.slice
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _reads_a_parameter(function: ast.FunctionDef) -> bool:
    parameters = {argument.arg for argument in function.args.args}
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.args[0]) in parameters
        for node in filter(_is_read, ast.walk(function))
    )


def reads_of(*places: str) -> dict[str, set[str]]:
    """Map each variable to the files under these paths that read it."""
    names: dict[str, set[str]] = {}
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            for name in reads(ast.parse(file.read_text())):
                names.setdefault(name, set()).add(str(file.relative_to(ROOT)))
    return names


def all_reads() -> dict[str, set[str]]:
    return reads_of(*[package.name for package in PACKAGES])


def all_documented() -> set[str]:
    return {variable.name for process in processes() for variable in documented(process)}


def test_every_variable_that_is_read_is_documented() -> None:
    missing = {
        name: files
        for name, files in all_reads().items()
        if name not in all_documented() | SET_BY_THE_PROCESS
    }
    assert missing == {}


def test_every_documented_variable_is_read() -> None:
    assert all_documented() - set(all_reads()) == set()


@pytest.mark.parametrize("process", sorted(READ_BY))
def test_each_process_documents_what_it_reads(process: str) -> None:
    names = {variable.name for variable in documented(process)}
    assert set(reads_of(*READ_BY[process])) - names - SET_BY_THE_PROCESS == set()


@pytest.mark.parametrize("process", sorted(READ_BY))
def test_every_variable_is_listed_once_and_explained(process: str) -> None:
    variables = documented(process)
    names = [variable.name for variable in variables]
    assert len(names) == len(set(names))
    assert [variable.name for variable in variables if not variable.meaning] == []


def test_no_example_is_a_usable_secret() -> None:
    for process in processes():
        for variable in documented(process):
            if variable.name.endswith(("_KEY", "_TOKEN", "_PASSWORD")):
                assert not variable.example or "change" in variable.example, variable.name


def test_the_root_file_is_generated_and_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("env_example", check=True)
    text = GENERATED.read_text()
    assert all(line.startswith("#") or not line for line in text.splitlines())
    assert {variable.name for variable in parse(text)} == all_documented()


def test_a_stale_root_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / ".env.example"
    monkeypatch.setattr("orgs.management.commands.env_example.GENERATED", target)
    with pytest.raises(CommandError, match="stale"):
        call_command("env_example", check=True)
    call_command("env_example")
    assert target.read_text() == render_all()
    target.write_text(target.read_text() + "#MORE=1\n")
    with pytest.raises(CommandError, match="stale"):
        call_command("env_example", check=True)


def test_every_way_to_read_a_variable_is_recognised() -> None:
    source = """
def number(name, default):
    return env.int(name, default)

A = env.str("A"), env.dj_db_url("B"), os.environ.get("C"), os.environ["D"], number("E", 1)
os.environ["NOT_READ"] = "x"
os.environ.setdefault("F", "set unless it is there, which is reading it")
other.str("NOT_OURS"), env.str(variable)
"""
    assert reads(ast.parse(source)) == {"A", "B", "C", "D", "E", "F"}


def test_a_forgotten_variable_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.env.example").write_text("# Known.\nIBEX_KNOWN=1\nIBEX_BARE=\n")
    monkeypatch.setattr(env_files, "FOLDER", tmp_path)
    assert processes() == ["toy"]
    assert all_documented() == {"IBEX_KNOWN", "IBEX_BARE"}
    assert [variable.meaning for variable in documented("toy")] == [("Known.",), ()]


def test_one_variable_of_two_processes_is_written_once() -> None:
    text = render(
        [("b", parse("# What.\n# More.\nIBEX_X=1\n")), ("a", parse("# Else.\nIBEX_X=2\n"))]
    )
    assert text.endswith("# What.\n# More.\n# Read by: b, a.\n#IBEX_X=1\n")
