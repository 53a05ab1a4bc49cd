#!/usr/bin/env python3
"""Change the key that seals stored secrets, while everything runs.

    python3 scripts/rotate_key.py [--by NAME]

Of one machine (MT_HOME/.data/secret.key): makes a new key, seals every secret anew, and forgets the
old key once nothing needs it. Cut short at any point, run it again: both keys are kept until then.
Where MT_SECRET_KEY holds the keys, put the new one before the old (`NEW,OLD`) in every process and
restart them, run this, then take the old one away. Backups of before need the old key: theirs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import add_signature, operate
from services.common.audit import audit
from services.common.resealing import reseal
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.common.vault import Vault
from services.domain.errors import TransientError

#: A service that has read the old key seals with it within this time.
_SETTLING_SECONDS = 2.0
_PASSES = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Rotate; exit code 1, with a sentence, where it is not done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_signature(parser, reason=False)
    by = parser.parse_args(argv).by
    vault = Vault(load(CommonSettings))
    return operate("rotate_key", lambda store: rotate(store, vault, by=by))


def rotate(
    store: Store, vault: Vault, *, by: str, settling_seconds: float = _SETTLING_SECONDS
) -> None:
    """New key, all secrets, old key.

    Raises:
        ConfigurationError: a secret was sealed with a key that is not there.
        TransientError: secrets are changed all the time.
    """
    if not vault.is_given:
        vault.add_key()
    changed = 0
    for _ in range(_PASSES):
        time.sleep(settling_seconds)
        done = reseal(store, vault)
        changed += done.changed
        if not (done.changed or done.left):
            break
    else:
        raise TransientError("secrets are changed all the time: run this again, both keys are kept")
    if not vault.is_given:
        vault.drop_old_keys()
    audit(store, "SEALING_KEY_ROTATED", service="operator", by=by, facts={"secrets": changed})
    print(f"{changed} secrets are sealed with the new key")
    print("take the old key out of MT_SECRET_KEY" if vault.is_given else "the old key is forgotten")


if __name__ == "__main__":
    sys.exit(main())
