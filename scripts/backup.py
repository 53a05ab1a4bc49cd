#!/usr/bin/env python3
"""Back the instance up, running or stopped: one folder, all of one moment, with checksums.

    python3 scripts/backup.py FOLDER                     # makes FOLDER/backup-20261122T051500Z
    python3 scripts/backup.py FOLDER --without-keys
    python3 scripts/backup.py --verify FOLDER/backup-20261122T051500Z

In it: the database, the books of the mock broker, and, sealed with a passphrase, .env and the key
that opens stored secrets. The passphrase is asked for, or taken from MT_BACKUP_PASSPHRASE: keep it
elsewhere. Not in it: logs, and the bus, for it only rings for what the database has.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.archive.dump import dump
from scripts.archive.instance import opened
from scripts.archive.manifest import (
    DATABASE,
    MOCK_BROKER,
    SEALED,
    Manifest,
    checksums,
    verified,
    write_manifest,
)
from scripts.archive.sealing import seal
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import Home
from services.common.clock import utc_now
from services.common.migrations import plan_of
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.domain.errors import ConfigurationError, TraderError

#: Of an instance: what opens its secrets, and its settings.
KEYS = (".data/secret.key", ".env")


def main(argv: Sequence[str] | None = None) -> int:
    """Make one, or look whether one is whole; exit code 1, with a sentence, where it is not."""
    arguments = _parser().parse_args(argv)
    os.umask(0o077)  # what is in it is for nobody else
    try:
        if arguments.verify:
            manifest = verified(arguments.folder)
            print(f"whole: {sum(manifest.documents.values())} documents of {manifest.taken_at}")
            return 0
        passphrase = None if arguments.without_keys else ask_passphrase(again=True)
        made = back_up(arguments.folder, load(CommonSettings), passphrase)
    except (TraderError, ScriptError, OSError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    print(made)
    return 0


def back_up(into: Path, settings: CommonSettings, passphrase: str | None) -> Path:
    """Make a backup below `into`; its folder.

    Raises:
        ConfigurationError: a setting or the passphrase cannot be used.
        TransientError: the database does not answer.
    """
    home = Home.from_environment()
    if not settings.embedded_database or (home.root / ".data" / "mongodb").exists():
        return _back_up(into, settings, home, passphrase)
    raise ConfigurationError(f"there is nothing to back up in {home.root}")


def _back_up(into: Path, settings: CommonSettings, home: Home, passphrase: str | None) -> Path:
    taken_at = utc_now()
    folder = into / f"backup-{taken_at:%Y%m%dT%H%M%SZ}"
    draft = into / f".{folder.name}.draft"
    (draft / DATABASE).mkdir(parents=True)
    try:
        if passphrase is not None:
            keys = {name: (home.root / name).read_text() for name in KEYS if _is_there(home, name)}
            (draft / SEALED).write_bytes(seal(keys, passphrase))
        with opened(settings, home) as store:
            layout = plan_of(store).present or 0
            taken_at = utc_now()
            documents = dump(store, draft / DATABASE, embedded=settings.embedded_database)
        _copy_books(home.root / ".data" / "mock_broker" / "books.sqlite3", draft / MOCK_BROKER)
        manifest = Manifest(
            taken_at=taken_at,
            database=settings.mongodb_database,
            layout=layout,
            documents=documents,
            files=checksums(draft),
        )
        write_manifest(draft, manifest)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def ask_passphrase(*, again: bool) -> str:
    """From the environment, a person, or standard input. Raises: ConfigurationError."""
    given = os.environ.get("MT_BACKUP_PASSPHRASE")
    if given:
        return given
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    typed = getpass.getpass("passphrase for the keys: ")
    if again and getpass.getpass("once more: ") != typed:
        raise ConfigurationError("the two passphrases differ")
    return typed


def _is_there(home: Home, name: str) -> bool:
    return (home.root / name).is_file()


def _copy_books(books: Path, copy: Path) -> None:
    """SQLite's own way of copying what is being written to."""
    if books.exists():
        with closing(sqlite3.connect(books)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where backups are kept, not below MT_HOME")
    parser.add_argument("--without-keys", action="store_true", help="and without a passphrase")
    parser.add_argument("--verify", action="store_true", help="only look whether one is whole")
    return parser


if __name__ == "__main__":
    sys.exit(main())
