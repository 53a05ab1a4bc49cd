"""A real IMAP server for tests: Dovecot 2.3 as an unprivileged process with one mailbox."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.servers import START_SECONDS, STOP_SECONDS, free_port

USER = "signals"
PASSWORD = "correct horse"
_NOBODY = 65534

_CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/log
auth_verbose = yes
auth_failure_delay = 0
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
mail_location = maildir:{home}/mail
imap_capability = {capability}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}
}}
"""


class Dovecot:
    """One running server with one mailbox."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes], port: int, tls_port: int):
        self.port = port
        self.tls_port = tls_port
        self._home = home
        self._process = process
        self._count = 0

    def put(self, raw: bytes, *, age_seconds: float = 0) -> None:
        """Deliver a mail as a mail server does: written aside, then moved into `new/`."""
        self._count += 1
        name = f"{time.time_ns()}.M{self._count}.test"
        aside = self._home / "mail" / "tmp" / name
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(raw)
        moment = time.time() - age_seconds
        os.utime(aside, (moment, moment))
        self._own(self._home / "mail")
        aside.rename(self._home / "mail" / "new" / name)

    def mails(self) -> list[str]:
        """File names of all mails; the letters after `:2,` are the flags."""
        return sorted(
            file.name for folder in ("new", "cur") for file in self._mail(folder).iterdir()
        )

    def renumber(self) -> None:
        """Lose all UIDs, as a mailbox restored from a copy does: a new UIDVALIDITY."""
        header = (self._mail(".") / "dovecot-uidlist").read_text().split(maxsplit=2)
        used = int(header[1].removeprefix("V"))
        for file in self._mail(".").glob("dovecot*"):
            file.unlink()
        while int(time.time()) <= used:  # the next number is the second it is made in
            time.sleep(0.02)

    def log(self) -> str:
        """What the server has logged so far."""
        return (self._home / "log").read_text()

    def drop_sessions(self) -> None:
        """End every open session as an outage does, without a word to the client."""
        for child in self._children("imap"):
            child.send_signal(signal.SIGKILL)

    def _children(self, name: str) -> list[psutil.Process]:
        master = psutil.Process(self._process.pid)
        return [each for each in master.children(recursive=True) if each.name() == name]

    def _mail(self, folder: str) -> Path:
        return self._home / "mail" / folder

    def _own(self, folder: Path) -> None:
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, _NOBODY, _NOBODY)


@contextmanager
def start_dovecot(
    *, port: int | None = None, idle: bool = True, certificate: Path | None = None
) -> Iterator[Dovecot]:
    """Run a server; skips the test where Dovecot 2.3 is not installed.

    Args:
        port: of plain IMAP; None = a free one.
        idle: whether the server offers IDLE.
        certificate: PEM file with certificate and key for IMAPS; None = no IMAPS.
    """
    program = _program()
    port, tls_port = port or free_port(), free_port() if certificate else 0
    # Not pytest's directory: its parents are closed to the unprivileged user. Short: Unix sockets
    # have at most 108 characters.
    home = Path(tempfile.mkdtemp(prefix="dovecot"))
    home.chmod(0o755)
    command = _prepare(
        home,
        program,
        port=port,
        tls_port=tls_port,
        idle=idle,
        certificate=certificate,
    )
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        server = Dovecot(home, process, port, tls_port)
        server._own(home / "mail")
        _wait(process, home / "log", port)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        process.stderr.close()
        shutil.rmtree(home, ignore_errors=True)


def why_not() -> str:
    """Why no server can be started here; "" where one can."""
    program = _find()
    if program is None:
        return "no Dovecot on PATH: apt-get install dovecot-imapd"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if not version.stdout.startswith("2.3."):
        return f"the configuration is for Dovecot 2.3, found {version.stdout.strip()}"
    return ""


def _find() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _program() -> str:
    reason, program = why_not(), _find()
    if reason or program is None:
        pytest.skip(reason)
    return program


def _prepare(home: Path, program: str, *, port, tls_port, idle, certificate) -> list[str]:
    uid, gid = (_NOBODY, _NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    lines = f"ssl_cert = <{home}/tls.pem\nssl_key = <{home}/tls.pem" if certificate else ""
    if certificate:
        shutil.copy(certificate, home / "tls.pem")
    (home / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    (home / "conf").write_text(
        _CONFIG.format(
            home=home,
            user=pwd.getpwuid(uid).pw_name,
            group=grp.getgrgid(gid).gr_name,
            uid=uid,
            gid=gid,
            port=port,
            tls_port=tls_port,
            ssl="yes" if certificate else "no",
            certificate=lines,
            capability="+" if idle else "IMAP4rev1 UIDPLUS",
        )
    )
    command = [program, "-F", "-c", str(home / "conf")]
    if os.geteuid() != 0:
        return command
    for path in (home, *home.iterdir()):
        os.chown(path, uid, gid)
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *command]


def _wait(process: subprocess.Popen[bytes], log: Path, port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > until:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            pytest.fail(f"Dovecot did not start (exit code {process.poll()}):\n{tail}")
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
