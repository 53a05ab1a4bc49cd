"""Which code a study was made with: a result is the same again only where this is."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Final

from services.common.settings import REPOSITORY

_HERE: Final = REPOSITORY / "services" / "portfolio_builder"
#: What decides on numbers: our modules, and the libraries that they ask.
_MODULES: Final = ("backtest", "optimizers", "tearsheet")
_LIBRARIES: Final = ("numpy", "scipy", "clarabel", "scikit-learn")


def code_version() -> str:
    """A hash of our modules, and the versions of the libraries."""
    digest = hashlib.sha256()
    files = [*_HERE.glob("study*.py"), _HERE / "constraints.py"]
    for name in _MODULES:
        files += (_HERE / name).rglob("*.py")
    for file in sorted(files):
        digest.update(file.relative_to(REPOSITORY).as_posix().encode())
        digest.update(file.read_bytes())
    libraries = " ".join(f"{name}-{version(name)}" for name in _LIBRARIES)
    return f"{digest.hexdigest()[:12]} {libraries}"
