#!/usr/bin/env python3
"""Make an instance of a backup, in a place where there is none.

    MT_HOME=/srv/mt python3 scripts/restore.py /backups/backup-20261122T051500Z
    ... restore.py FOLDER --without-keys           # stored secrets of brokers must be typed in anew
    ... restore.py FOLDER --without-mock-broker    # the mock broker goes on with what it has

Nothing is ever overwritten: MT_HOME must have no database, keys or books of its own, and a database
that MONGODB_URI names no collection. Of a backup with a wrong checksum nothing is restored. Trading
is HALTED afterwards, everybody has to log in again, and what was revoked since the backup, keys or
users, is as it was then.

What happened at the brokers since is not in our books: start, look at `books.py show`, adopt or
resolve what differs, then `kill.py resume`.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.archive.dump import load as load_documents
from scripts.archive.instance import opened
from scripts.archive.manifest import DATABASE, MOCK_BROKER, SEALED, Manifest, verified
from scripts.archive.sealing import unseal
from scripts.backup import KEYS, ask_passphrase
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import Home
from services.common.audit import audit
from services.common.controls import set_control
from services.common.migrations import LAYOUT, migrate, refuse_services, take_over
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import ConfigurationError, TraderError
from services.domain.words import Scope, TradingState

#: Log-ins that have ended since must not come back; the layout is written when all is there.
_LEFT_OUT = frozenset({"sessions", "login_failures", "layout"})


def main(argv: Sequence[str] | None = None) -> int:
    """Restore; exit code 1, with a sentence, where it is refused."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)
    try:
        manifest = verified(arguments.folder)
        home = Home.from_environment()
        _refuse(arguments, home, manifest)
        _restore_keys(arguments, home)
        settings = load(CommonSettings)
        if not arguments.without_mock_broker:
            _restore_books(arguments.folder / MOCK_BROKER, home)
        with opened(settings, home) as store:
            restore(store, arguments.folder, manifest)
    except (TraderError, ScriptError, OSError) as error:
        print(f"restore: {error}", file=sys.stderr)
        return 1
    print(f"restored as of {manifest.taken_at}: {sum(manifest.documents.values())} documents")
    print("Trading is HALTED. What the brokers did since then is not in our books: start, compare")
    print("(scripts/books.py show), mend what differs, then scripts/kill.py resume.")
    return 0


def _refuse(arguments: argparse.Namespace, home: Home, manifest: Manifest) -> None:
    """Raises: ConfigurationError: something is there already, or the backup is too new."""
    if manifest.layout > LAYOUT:
        raise ConfigurationError(
            f"the backup has layout {manifest.layout}, this version knows {LAYOUT} at most: "
            "restore it with the version that made it"
        )
    wanted = [".data/mongodb"]
    wanted += [] if arguments.without_keys else KEYS
    wanted += [] if arguments.without_mock_broker else [".data/mock_broker"]
    there = [name for name in wanted if (home.root / name).exists()]
    if there:
        raise ConfigurationError(
            f"{home.root} has {' and '.join(there)}: restore into an empty MT_HOME, nothing is "
            "ever overwritten"
        )


def _restore_keys(arguments: argparse.Namespace, home: Home) -> None:
    if arguments.without_keys:
        return
    sealed = arguments.folder / SEALED
    if not sealed.exists():
        raise ConfigurationError("the backup was made without keys: add --without-keys")
    files = unseal(sealed.read_bytes(), ask_passphrase(again=False))
    for name in (each for each in KEYS if each in files):
        (home.root / name).parent.mkdir(parents=True, exist_ok=True)
        (home.root / name).write_text(files[name])


def _restore_books(books: Path, home: Home) -> None:
    if books.exists():
        into = home.root / ".data" / "mock_broker"
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(books, into / "books.sqlite3")


def restore(store: Store, folder: Path, manifest: Manifest) -> None:
    """Documents, halt, layout: until the last of it is there no service starts on it.

    Raises:
        ConfigurationError: the database is not empty, or the backup not complete.
    """
    if store.database.list_collection_names():
        raise ConfigurationError(
            f"database {store.database.name} is not empty: restore into another one "
            "(MONGODB_DATABASE), nothing is ever overwritten"
        )
    refuse_services(store)
    counts = load_documents(store, folder / DATABASE, but=_LEFT_OUT)
    short = [name for name, count in counts.items() if count != manifest.documents.get(name)]
    if short:
        raise ConfigurationError(f"fewer documents than the manifest says: {', '.join(short)}")
    reason = f"restored from the backup of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    by = getpass.getuser()
    set_control(
        store,
        Scope.GLOBAL,
        by=by,
        reason=f"{reason}: compare the books with the brokers, then resume",
        trading_state=TradingState.HALTED,
    )
    facts = {"taken_at": manifest.taken_at, "documents": sum(counts.values())}
    audit(store, "RESTORED", service="operator", by=by, facts=facts)
    take_over(store, manifest.layout, by=by)
    migrate(store, by=by)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="one backup")
    parser.add_argument("--without-keys", action="store_true", help="do not restore .env and key")
    parser.add_argument(
        "--without-mock-broker", action="store_true", help="leave its books as they are"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
