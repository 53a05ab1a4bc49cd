"""One instance: what start.py was asked for, checked against the settings, put into stages."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.launcher import drain, ports, probes, table
from scripts.launcher.child import environment
from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from scripts.launcher.home import Home
from scripts.launcher.incidents import StoredIncidents
from scripts.launcher.report import Reporter
from scripts.launcher.supervisor import Stage, Supervisor
from services.common.settings import ALL_SETTINGS, CommonSettings, ExecutionSettings
from services.common.settings_file import load
from services.domain.errors import ConfigurationError, TransientError


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    use_mock_broker: bool = False
    live: bool = False
    demo: bool = False
    no_ui: bool = False

    def arguments(self) -> list[str]:
        """The same again, for `python -m scripts.launcher`."""
        return [f"--{name.replace('_', '-')}" for name, is_set in vars(self).items() if is_set]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The switches that start.py and the supervisor share."""
    parser.add_argument(
        "--use-mock-broker", action="store_true", help="every account trades at the mock broker"
    )
    parser.add_argument(
        "--live", action="store_true", help="trade live accounts; asks for confirmation"
    )
    parser.add_argument(
        "--demo", action="store_true", help="create demo accounts, strategies and their keys"
    )
    parser.add_argument("--no-ui", action="store_true", help="without the web UI and its port")


def options_of(arguments: argparse.Namespace) -> Options:
    """The options among parsed arguments."""
    return Options(arguments.use_mock_broker, arguments.live, arguments.demo, arguments.no_ui)


@dataclass(frozen=True)
class Instance:
    """Settings and options that fit together."""

    home: Home
    options: Options
    settings: CommonSettings
    use_mock_broker: bool

    @classmethod
    def load(cls, options: Options) -> Instance:
        """Read every setting of every process, so that a wrong one stops us before anything runs.

        Raises:
            ScriptError: a setting is wrong, or does not fit the options.
        """
        if options.live:
            os.environ["TRADING_MODE"] = "live"
        try:
            for settings in ALL_SETTINGS:
                load(settings)
            execution = load(ExecutionSettings)
        except ConfigurationError as error:
            raise ScriptError(
                f"configuration error: {error}", exit_code=EXIT_CONFIGURATION
            ) from error
        use_mock = options.use_mock_broker or execution.use_mock_broker
        refusal = refuse(options, execution, use_mock_broker=use_mock)
        if refusal:
            raise ScriptError(refusal, exit_code=EXIT_CONFIGURATION)
        return cls(Home.from_environment(), options, execution, use_mock)

    def check_not_running(self) -> None:
        """Refuse to start twice.

        Raises:
            ScriptError: processes of this instance live, with or without their supervisor.
        """
        running = drain.running(self.home)
        if running:
            orphans = "" if drain.SUPERVISOR in running else ", without their supervisor"
            raise ScriptError(
                f"already running: {len(running)} processes of {self.home.root} live{orphans} "
                f"({', '.join(running)}); use {self.home.command('stop.py')}"
            )

    def check_ports(self) -> None:
        """Refuse to start where another program listens.

        Raises:
            ScriptError: naming port and service.
        """
        processes = (*self._infrastructure(), *self._services())
        wanted = [(each.name, port) for each in processes for port in each.listens_on]
        taken = ports.taken(wanted, {"127.0.0.1", self.settings.mt_bind_host})
        if taken:
            raise ScriptError(
                f"{'; '.join(taken)}: stop that program, or set MT_PORT_OFFSET to shift every port"
            )

    def stages(self, reporter: Reporter) -> Sequence[Stage]:
        """What is started one after the other."""
        return (
            Stage(self._infrastructure(), lambda: self._prepare(reporter)),
            Stage(self._services(), lambda: self._welcome(reporter)),
        )

    def run(self, reporter: Reporter) -> int:
        """Be the supervisor of this instance; the exit code."""
        try:
            self.home.make()
            self.check_not_running()
            self.check_ports()
            if not self.settings.embedded_database:
                probes.check_database(self.settings)
        except ScriptError as error:
            reporter.failed(str(error), error.exit_code)
            return error.exit_code
        supervisor = Supervisor(
            home=self.home,
            environment=environment(
                home=self.home,
                port_offset=self.settings.mt_port_offset,
                trading_mode=self.settings.trading_mode,
                use_mock_broker=self.use_mock_broker,
            ),
            reporter=reporter,
            incidents=StoredIncidents(self.settings),
            trading_mode=self.settings.trading_mode,
        )
        return supervisor.run(self.stages(reporter))

    def _infrastructure(self) -> tuple[table.Process, ...]:
        return table.infrastructure(self.settings, mock_broker=not self.options.live)

    def _services(self) -> tuple[table.Process, ...]:
        return table.services(self.settings, ui=not self.options.no_ui)

    def _prepare(self, reporter: Reporter) -> None:
        # A second of imports.
        from services.common.bootstrap import prepare  # noqa: PLC0415
        from services.common.users import FIRST_ADMIN  # noqa: PLC0415

        try:
            password = prepare(self.settings)
        except ConfigurationError as error:
            raise ScriptError(str(error), exit_code=EXIT_CONFIGURATION) from error
        except TransientError as error:
            raise ScriptError(str(error)) from error
        reporter.line("  ok  database and bus have all that is needed")
        if password is not None:
            reporter.secret(f"      first admin: name {FIRST_ADMIN}, password {password}")
            reporter.line("      Shown only now, and changed at the first log-in (docs/users.md).")
        if self.options.demo:
            self._create_demo(reporter)

    def _create_demo(self, reporter: Reporter) -> None:
        from scripts import demo  # noqa: PLC0415 - only where asked for

        created = demo.create(self.settings)
        reporter.line(f"  ok  demo: {len(created)} strategies")
        for strategy_id, key in created:
            if key is None:
                reporter.line(f"      {strategy_id}: exists already, with the key shown then")
            else:
                reporter.secret(f"      {strategy_id}: key {key}")
        if any(key for _, key in created):
            reporter.line("      Keys are shown only now and kept nowhere in clear: note them.")

    def _welcome(self, reporter: Reporter) -> None:
        base = f"http://{self.settings.reachable_host}"
        port = self.settings.port
        mode = self.settings.trading_mode.upper()
        ui = "" if self.options.no_ui else f"  web UI      {base}:{port('web')}/\n"
        reporter.line(
            f"\nRunning, {mode} trading{' at the mock broker' if self.use_mock_broker else ''}.\n"
            f"{ui}"
            f"  signals     {base}:{port('signal_gateway')}/api/v1/signals\n"
            f"  accounts    {base}:{port('account_data')}/api/v1/accounts\n"
            f"  dashboards  {base}:{port('dashboard_creator')}/\n"
            f"  logs        {self.home.logs}\n"
            f"\nNext:  {self.home.command('status.py')}\n"
            f"Stop:  {self.home.command('stop.py')}"
        )


def refuse(options: Options, settings: CommonSettings, *, use_mock_broker: bool) -> str | None:
    """Why these options and settings do not go together; None when they do."""
    if not options.live:
        if settings.trading_mode == "live":
            return "TRADING_MODE=live is not enough to trade live: start with --live, or remove it"
        return None
    if options.demo:
        return "--live and --demo exclude each other: demo accounts never trade live"
    if use_mock_broker:
        switches = "drop --use-mock-broker and USE_MOCK_BROKER"
        return f"--live and the mock broker exclude each other: {switches}"
    if settings.embedded_database:
        return "--live needs a real MongoDB replica set: set MONGODB_URI"
    return None
