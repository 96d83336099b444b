"""
Rules on `hooks.py`: small, three functions at most, and no way out of the connector.

A connector never retries, sleeps, limits, measures, caches, logs or opens sockets: the lane does. The file is judged
by its syntax tree and never run here.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from mappings.errors import FileFault

LONGEST = 100
FUNCTIONS = ("before_send", "classify", "sign")
PACKAGES = ("connectors.kit", "mappings")
OUTSIDE = frozenset(
    {
        "asyncio", "concurrent", "ctypes", "ftplib", "functools", "http", "importlib", "io", "logging", "multiprocessing",
        "os", "pathlib", "queue", "random", "requests", "sched", "secrets", "select", "selectors", "shelve", "shutil",
        "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time",
        "urllib.request", "xmlrpc",
    }
)  # fmt: skip
"""Parts of the standard library that sleep, cache, keep state, log, or reach files, processes and the network."""
BUILT_INS = frozenset({"open", "exec", "eval", "compile", "__import__", "print", "input", "globals", "breakpoint"})


def hooks_stay_inside(folder: Path) -> Iterator[FileFault]:
    """`hooks.py` imports the kit, mappings and harmless parts of the standard library, and defines nothing but hooks."""
    file = folder / "hooks.py"
    if not file.is_file():
        return
    name = f"{folder.name}/hooks.py"
    text = file.read_text("utf-8")
    if (lines := len(text.splitlines())) > LONGEST:
        yield FileFault(
            name, "", f"has {lines} lines; {LONGEST} is the most. What is longer belongs into the mapping or the kit"
        )
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield FileFault(name, f"line {error.lineno}", "is not Python")
        return
    for node in tree.body:
        yield from (FileFault(name, f"line {node.lineno}", says) for says in _top_level(node))
    for inner in ast.walk(tree):
        yield from (FileFault(name, f"line {getattr(inner, 'lineno', 1)}", says) for says in _anywhere(inner))


def _top_level(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        if node.name not in FUNCTIONS and not node.name.startswith("_"):
            yield f"`{node.name}` is no hook; hooks are {', '.join(FUNCTIONS)}, and helpers begin with _"
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        if any(
            isinstance(part, ast.List | ast.Dict | ast.Set | ast.Call | ast.ListComp | ast.DictComp)
            for part in ast.walk(node)
        ):
            yield "keeps something that can change between calls; only constants may stand outside functions"
    elif not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
        yield "only imports, constants and functions may stand here; async and classes belong to the kit"
    elif isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        yield "runs when it is imported; put it into a hook"


def _anywhere(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _import(alias.name)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            yield "imports relatively; write the whole name"
        elif node.module:
            yield from _import(node.module)
            for alias in node.names:
                if f"{node.module}.{alias.name}" in OUTSIDE:
                    yield from _import(f"{node.module}.{alias.name}")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BUILT_INS:
        yield f"calls `{node.func.id}`, which a hook may not"
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield "keeps state between calls, which a hook may not"


def _import(module: str) -> Iterator[str]:
    if any(module == package or module.startswith(f"{package}.") for package in PACKAGES):
        return
    top = module.split(".")[0]
    if top not in sys.stdlib_module_names:
        yield f"imports `{module}`; a hook imports connectors.kit, mappings and the standard library only"
    elif top in OUTSIDE or module in OUTSIDE:
        yield f"imports `{module}`; retrying, sleeping, logging, caching, files and sockets are the lane's work"
