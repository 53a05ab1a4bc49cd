"""The files of the UI: addresses of pages all get `index.html`, hashed files are kept for ever."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOR_EVER: Final = "public, max-age=31536000, immutable"
#: It names the hashed files, so it is asked for each time and mostly answered by 304.
_ASK_AGAIN: Final = "no-cache"
_ASSETS: Final = "assets/"
_NO_UI = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mathematricks Trader</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto;
padding: 0 1rem; color-scheme: light dark }} code {{ font-family: ui-monospace, monospace }}
</style></head>
<body><h1>The system runs; its web UI is not built</h1>
<p>{reason}</p>
<p>Trading does not need it: <code>python3 scripts/status.py</code> tells how everything is.</p>
<p>To build it: <code>python3 -m scripts.launcher.ui_build</code> in the repository, with Node.js
20.19 or newer and npm, or with a network to fetch them. Then load this page again.</p>
</body></html>
"""
_BUILDING: Final = (
    "It is being built, which takes about a minute the first time; or the system was started "
    "while it could not be built."
)


class Pages(StaticFiles):
    """Serves what was built; looks at the disk each time, so a new build needs no restart.

    Args:
        dist: folder of the built UI.
        reason: file that says why there is none.
    """

    def __init__(self, dist: Path, reason: Path) -> None:
        super().__init__(directory=dist, check_dir=False)
        self._dist = dist
        self._reason = reason

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or the page that all addresses share."""
        if not (self._dist / "index.html").is_file():
            return self._not_built()
        name = "index.html" if path == "." else path.replace(os.sep, "/")
        try:
            return await self._file(name, scope)
        except HTTPException as error:
            is_page = not name.startswith(_ASSETS) and ("/" in name or "." not in name)
            if error.status_code != 404 or not is_page:
                raise
            return await self._file("index.html", scope)

    async def _file(self, name: str, scope: Scope) -> Response:
        response = await self._packed(name, scope) or await super().get_response(name, scope)
        response.headers["Cache-Control"] = _FOR_EVER if name.startswith(_ASSETS) else _ASK_AGAIN
        response.headers["Vary"] = "Accept-Encoding"
        return response

    async def _packed(self, name: str, scope: Scope) -> Response | None:
        """The file as the build has compressed it, where there is one and the client takes it."""
        if name.endswith(".gz") or "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return None
        try:
            response = await super().get_response(f"{name}.gz", scope)
        except HTTPException:
            return None
        response.headers["Content-Encoding"] = "gzip"
        return response

    def state(self) -> str:
        """For /health. Raises: RuntimeError: a build has failed and there is nothing to serve."""
        if (self._dist / "index.html").is_file():
            return "built"
        if self._reason.is_file():
            raise RuntimeError(f"not built: {self._why()}")
        return "not built yet"

    def _why(self) -> str:
        try:
            return self._reason.read_text(encoding="utf-8").strip() or _BUILDING
        except OSError:
            return _BUILDING

    def _not_built(self) -> Response:
        page = _NO_UI.format(reason=html.escape(self._why()))
        headers = {"Cache-Control": "no-store", "Retry-After": "5"}
        return HTMLResponse(page, status_code=503, headers=headers)
