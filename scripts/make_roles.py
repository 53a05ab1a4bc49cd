#!/usr/bin/env python3
"""MongoDB roles, one a service, with no more than its code does: `python3 scripts/make_roles.py`.

Writes deploy/mongodb/roles.json and roles.js, which `mongosh "$ADMIN_URI" deploy/mongodb/roles.js`
runs; it asks for a password for each. With `--check` nothing is written, and the exit code is 1
where they are out of date.

What a service does is read from the source of every module that it imports, so it is never less
than what runs: `store["orders"].find` is READ, `.update_one` is WRITE, and where a module chooses
collections by a variable, every collection that it names is taken to be meant.
"""

# ruff: noqa: E402 - run as a script, it finds the packages beside it first
from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.launcher.table import SERVICES
from services.common.indexes import INDEXES

FOLDER = REPOSITORY / "deploy" / "mongodb"
_WRITES: Final = frozenset(
    (
        *("insert_one", "insert_many", "update_one", "update_many", "replace_one", "bulk_write"),
        *("delete_one", "delete_many"),
    )
)
#: What migrates; of all that a service only asks for the number of the layout.
_MIGRATING: Final = frozenset(("services.common.migrations", "services.common.layout"))
_READ_ACTIONS: Final = ("find", "changeStream", "collStats")
_WRITE_ACTIONS: Final = (*_READ_ACTIONS, "insert", "update", "remove")


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if outdated")
    check = parser.parse_args().check
    outdated = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in outdated:
        if check:
            print(f"{path} is out of date: run scripts/make_roles.py", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files()[path], encoding="utf-8")
            print(f"{path} is written")
    return 1 if check and outdated else 0


@cache
def files() -> dict[Path, str]:
    """Path → text."""
    uses = {service: used for service in SERVICES if any(used := uses_of(service))}
    table = {
        service: {
            "read": sorted(reads - writes),
            "write": sorted(writes),
            "watches_all": watches_all(service),
        }
        for service, (reads, writes) in uses.items()
    }
    return {
        FOLDER / "roles.json": json.dumps(table, indent=2) + "\n",
        FOLDER / "roles.js": _script(table),
    }


@cache
def uses_of(service: str) -> tuple[set[str], set[str]]:
    """Collections that a service may read, and those that it may write (and read)."""
    modules = modules_of(f"services.{service}")
    reads, writes = _uses_of_all(modules)
    return reads | ({"layout"} if "services.common.store" in modules else set()), writes


@cache
def own_uses_of(service: str) -> tuple[set[str], set[str]]:
    """The same of its own modules only, without the plumbing that services share."""
    package = f"services.{service}"
    return _uses_of_all(name for name in _all_modules() if name.startswith(f"{package}."))


def _uses_of_all(modules: Iterable[str]) -> tuple[set[str], set[str]]:
    reads: set[str] = set()
    writes: set[str] = set()
    for module in modules:
        read, written = uses_in(_source(module))
        reads |= read
        writes |= written
    return reads | writes, writes


def watches_all(service: str) -> bool:
    """Whether it opens a change stream on the whole database, and so may read all of it."""
    return any("database.watch(" in _source(name) for name in modules_of(f"services.{service}"))


@cache
def modules_of(package: str) -> frozenset[str]:
    """A package, and every module of ours that it imports, directly or not."""
    waiting = [name for name in _all_modules() if name == package or name.startswith(f"{package}.")]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found and name not in _MIGRATING:
            found.add(name)
            waiting += _imports(name)
    return frozenset(found)


def imports_between(packages: Collection[str]) -> set[tuple[str, str]]:
    """Which of these packages imports which. What is wired by a `__main__` alone does not count."""

    def of(module: str) -> str:
        found = (each for each in packages if f"{module}.".startswith(f"{each}."))
        return next(found, "")

    pairs = {
        (of(name), of(imported))
        for name in _all_modules()
        if not name.endswith(".__main__")
        for imported in _imports(name)
    }
    return {(importer, imported) for importer, imported in pairs if importer and imported}


@cache
def uses_in(source: str) -> tuple[set[str], set[str]]:
    """What one module reads and writes, as its source says."""
    nodes = _nodes(source)
    named = {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and node.value in collections()
    }
    fixed = {key for each in nodes if (key := _fixed_key(each)) is not None}
    held = dict(_held(nodes))
    writes: set[str] = set()
    by_variable = any(_is_by_variable(each) for each in nodes)
    for target in _written(nodes):
        key = _fixed_key(target)
        if key is not None:
            writes.add(key)
        elif _is_by_variable(target):
            writes |= named
        elif ast.unparse(target) in held:
            writes |= held[ast.unparse(target)]
    return (named if by_variable else fixed), writes


@cache
def collections() -> frozenset[str]:
    """Every collection that there is: those with indexes, and those that the code names."""
    sources = [_source(name) for name in _all_modules()]
    found = {key for text in sources for each in _nodes(text) if (key := _fixed_key(each))}
    return frozenset(INDEXES) | found


def _fixed_key(node: ast.AST) -> str | None:
    """`x` of `store["x"]`."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        is_ours = key in INDEXES or _is_store(node.value)
        return str(key) if isinstance(key, str) and is_ours else None
    return None


def _is_by_variable(node: ast.AST) -> bool:
    """`store[name]`: by the word, for there is no type here."""
    if not isinstance(node, ast.Subscript) or isinstance(node.slice, ast.Constant):
        return False
    return _is_store(node.value)


def _is_store(node: ast.expr) -> bool:
    word = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return word.lower().endswith(("store", "database"))


def _held(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, set[str]]]:
    """Names that a collection is kept under: `letters = self._store["dead_letters"]`."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            keys = {key for each in ast.walk(node.value) if (key := _fixed_key(each))}
            targets = [each for target in node.targets for each in _parts(target)]
            for target in targets if keys else ():
                yield ast.unparse(target), keys


def _parts(target: ast.expr) -> list[ast.expr]:
    """`a` and `b` of `a, b = …`."""
    return list(target.elts) if isinstance(target, ast.Tuple) else [target]


def _written(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    """What a writing method is called of."""
    for node in nodes:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_call and node.func.attr in _WRITES:
            yield node.func.value


@cache
def _all_modules() -> dict[str, Path]:
    found = {}
    for package in ("services", "brokers"):
        for file in (REPOSITORY / package).rglob("*.py"):
            parts = file.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@cache
def _nodes(source: str) -> tuple[ast.AST, ...]:
    """All that a module says; walked once, for there are very many."""
    module = ast.parse(source)
    words = dict(_constants(module))
    nodes = tuple(ast.walk(module))
    for node in nodes:  # `store[_ORDERS]`, with `_ORDERS: Final = "orders"` above
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Name):
            node.slice = words.get(node.slice.id, node.slice)
    return nodes


def _constants(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """`_ORDERS: Final = "orders"`, with or without the type."""
    for each in module.body:
        if isinstance(each, ast.Assign | ast.AnnAssign) and isinstance(each.value, ast.Constant):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            yield from ((target.id, each.value) for target in targets if hasattr(target, "id"))


@cache
def _source(module: str) -> str:
    return _all_modules()[module].read_text(encoding="utf-8")


@cache
def _imports(module: str) -> frozenset[str]:
    known = _all_modules()
    found = set()
    for node in _nodes(_source(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return frozenset(found & known.keys())


def _script(table: dict[str, dict[str, Any]]) -> str:
    lines = [
        "// Written by scripts/make_roles.py: change that, and run it.",
        '// mongosh "$ADMIN_URI" deploy/mongodb/roles.js; DATABASE=name in front for another one.',
        'const database = process.env.DATABASE || "mathematricks_trading";',
        "const target = db.getSiblingDB(database);",
        f"const READ = {json.dumps(_READ_ACTIONS)};",
        f"const WRITE = {json.dumps(_WRITE_ACTIONS)};",
        f"const SERVICES = {json.dumps(table, indent=2)};",
        "",
        "const resource = (collection) => ({ db: database, collection });",
        "",
        "function on(collections, actions) {",
        "  return collections.map((name) => ({ resource: resource(name), actions }));",
        "}",
        "",
        "function give(name, role) {",
        "  const wanted = { ...role, roles: role.roles || [] };",
        "  if (target.getRole(name)) target.updateRole(name, wanted);",
        "  else target.createRole({ role: name, ...wanted });",
        "  if (!target.getUser(name)) {",
        "    print(`password of ${name}:`);",
        "    target.createUser({ user: name, pwd: passwordPrompt(), roles: [name] });",
        "  }",
        "}",
        "",
        "for (const [service, uses] of Object.entries(SERVICES)) {",
        "  const privileges = [...on(uses.read, READ), ...on(uses.write, WRITE)];",
        '  const all = { resource: resource(""), actions: ["find", "changeStream"] };',
        "  if (uses.watches_all) privileges.push(all);",
        "  give(`mt_${service}`, { privileges });",
        "}",
        "// Migrations, restores, and people at the scripts: everything in this one database.",
        'give("mt_prepare", { privileges: [], roles: [{ role: "dbOwner", db: database }] });',
        "// Backups: reads everything, changes nothing.",
        'give("mt_backup", { privileges: [], roles: [{ role: "read", db: database }] });',
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
