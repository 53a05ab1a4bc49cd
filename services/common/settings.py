"""Settings of every process: names, bounds, defaults. How they are read is `settings_file.py`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parents[2]

#: Default port of everything that listens; `MT_PORT_OFFSET` is added to each.
PORTS: dict[str, int] = {
    "signal_gateway": 8001,
    "account_data": 8082,
    "portfolio_builder": 8003,
    "dashboard_creator": 8004,
    "mock_broker": 8095,
    "pubsub_local": 8085,
    "mongodb": 27017,
    "signal_ingestion": 9101,
    "cerebro": 9102,
    "execution": 9103,
    "pubsub_local_ops": 9104,
    "telegram": 9105,
    "web": 5173,
    "web_ops": 9106,
}
LOCAL_PROJECT = "mathematricks-local"


class CommonSettings(BaseSettings):
    """What every process needs to know."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    mt_home: Path = Field(REPOSITORY, description="directory of .data/, logs/ and .env")
    mt_port_offset: int = Field(0, ge=0, le=30000, description="added to every port")
    mt_bind_host: str = Field("127.0.0.1", description="address that servers listen on")
    service_hosts: str = Field(
        "",
        pattern=r"^[\w.:,=\[\]\s-]*$",
        description="hosts of services that run elsewhere, NAME=HOST, comma-separated",
    )
    mongodb_uri: SecretStr = Field(
        SecretStr(""), description="MongoDB replica set; empty = the embedded database"
    )
    mongodb_database: str = Field(
        "mathematricks_trading", min_length=1, max_length=38, description="name of the database"
    )
    pubsub_project_id: str = Field(
        "", description="Google Cloud project; empty = the local Pub/Sub server"
    )
    pubsub_emulator_host: str = Field("", description="host:port of Google's emulator")
    lease_ttl_s: float = Field(
        5, ge=1, le=120, description="seconds until a dead owner's work is taken over"
    )
    account_max_age_s: Decimal = Field(
        Decimal(60), gt=0, description="seconds; older account data denies entries, never exits"
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses whose X-Forwarded-For is believed, comma-separated"
    )
    kill_timeout_s: float = Field(
        60, ge=1, le=3600, description="seconds until a kill that is not proven is an incident"
    )
    clock_max_skew_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="seconds between our clock and the database's; more: no entry",
    )
    incident_halt_after_s: float = Field(
        300,
        ge=0,
        le=86400,
        description="seconds until a critical incident not acknowledged stops entries; 0 = never",
    )
    embedded_database_max_mb: int = Field(
        1500,
        ge=0,
        description="memory of the embedded database; beyond it is started anew; 0 = never",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="least important log lines that are written"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="text for people, json for machines"
    )
    traces_url: str = Field(
        "", description="OpenTelemetry collector for traces, OTLP over HTTP; empty = no traces"
    )
    mt_secret_key: SecretStr = Field(
        SecretStr(""),
        description="Fernet keys that seal stored secrets; empty = a key file of this machine",
    )
    notification_networks: str = Field(
        "", description="networks of ours that channels may reach, e.g. 10.0.0.0/8; empty = none"
    )
    mt_commit: str = Field(
        "", pattern="^[0-9A-Za-z._-]*$", description="commit that an image is of; empty = ask git"
    )
    trading_mode: Literal["paper", "live"] = Field(
        "paper", description="set by start.py --live only"
    )

    def port(self, name: str) -> int:
        """Port of one listener of this instance."""
        return PORTS[name] + self.mt_port_offset

    @property
    def binds_everywhere(self) -> bool:
        """Whether servers listen on every address of this machine."""
        return self.mt_bind_host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound

    @property
    def reachable_host(self) -> str:
        """Address at which this machine reaches its own servers, as it stands in a URL."""
        host = "127.0.0.1" if self.binds_everywhere else self.mt_bind_host
        return f"[{host}]" if ":" in host else host

    def host_of(self, service: str) -> str:
        """Where a service of ours is reached, as it stands in a URL: SERVICE_HOSTS, or here."""
        named = (each.partition("=") for each in self.service_hosts.split(","))
        elsewhere = {name.strip(): host.strip() for name, _, host in named}
        return elsewhere.get(service) or self.reachable_host

    @property
    def embedded_database(self) -> bool:
        """Whether this instance runs on its own database."""
        return not self.mongodb_uri.get_secret_value()

    @property
    def database_uri(self) -> str:
        """Where the database is; carries credentials, so never log it.

        `retryWrites=false` on the embedded one: SecantusDB 0.7 walks through every retryable write
        it remembers on each new one (docs/decisions/0003). Every write of ours is idempotent by key
        or compare-and-set, so nothing relies on the driver's retry.
        """
        if self.embedded_database:
            return f"mongodb://127.0.0.1:{self.port('mongodb')}/?retryWrites=false"
        return self.mongodb_uri.get_secret_value()

    @property
    def pubsub_host(self) -> str | None:
        """host:port of a Pub/Sub server without credentials; None = Google Cloud."""
        if self.pubsub_emulator_host:
            return self.pubsub_emulator_host
        if self.pubsub_project_id:
            return None
        return f"127.0.0.1:{self.port('pubsub_local')}"

    @property
    def embedded_bus(self) -> bool:
        """Whether this instance runs its own Pub/Sub server."""
        return not self.pubsub_emulator_host and not self.pubsub_project_id

    @property
    def project_id(self) -> str:
        """Pub/Sub project that topics live in."""
        return self.pubsub_project_id or LOCAL_PROJECT


class GatewaySettings(CommonSettings):
    """signal_gateway."""

    gateway_max_body_bytes: int = Field(262144, ge=1024, le=1_048_576, description="bytes")
    gateway_answer_s: float = Field(
        2.0, ge=0.1, le=60, description="seconds for storing a signal before the answer is 503"
    )
    credential_cache_s: float = Field(
        2.0, ge=0, le=60, description="seconds until a revoked strategy key stops working"
    )
    gateway_trusted_proxies: str = Field(
        "127.0.0.1", description="addresses whose X-Forwarded-For is believed, comma-separated"
    )
    signature_window_s: float = Field(
        300, ge=1, le=3600, description="seconds that a signed request may be old, or ahead"
    )
    rate_limit_strategy_per_min: int = Field(
        600, ge=0, description="signals of one strategy, exits not counted; 0 = no limit"
    )
    rate_limit_address_per_min: int = Field(
        6000, ge=0, description="requests from one address; 0 = no limit"
    )
    rate_limit_failures_per_min: int = Field(
        30, ge=0, description="wrong credentials from one address; 0 = no limit"
    )
    rate_limit_lint_per_min: int = Field(
        60, ge=0, description="questions to the lint from one address; 0 = no limit"
    )
    mailbox_host: str = Field("", description="IMAP server; empty = signals do not come by e-mail")
    mailbox_port: int = Field(993, ge=1, le=65535, description="port of the IMAP server")
    mailbox_user: str = Field("", description="user of the mailbox")
    mailbox_password: SecretStr = Field(SecretStr(""), description="password of the mailbox")
    mailbox_folder: str = Field("INBOX", min_length=1, description="folder that signals come to")
    mailbox_tls: bool = Field(True, description="false only for a mail server on this machine")
    mailbox_poll_s: float = Field(
        60, gt=0, le=600, description="seconds between looks beside the server's own notices"
    )


class IngestionSettings(CommonSettings):
    """signal_ingestion."""

    ingestion_overlap_s: float = Field(
        120,
        ge=1,
        le=86400,
        description="seconds before the last token that catch-up reads again, and twice what a "
        "gateway's clock may be slow",
    )
    ingestion_catch_up_s: float = Field(
        15, ge=1, le=3600, description="seconds between catch-up scans behind the change stream"
    )


class CerebroSettings(CommonSettings):
    """cerebro."""

    max_position_size_pct: Decimal = Field(
        Decimal(10), gt=0, le=100, description="percent of account equity, one instrument"
    )
    max_broker_allocation_pct: Decimal = Field(
        Decimal(100), gt=0, le=1000, description="percent of account equity, all strategies"
    )
    exit_wait_s: Decimal = Field(
        Decimal(60), ge=0, description="seconds an exit waits for an entry that is still on its way"
    )
    reversal_wait_s: Decimal = Field(
        Decimal(60), ge=0, description="seconds the entry of a reversal waits for its exit's fill"
    )
    gap_hold_s: Decimal = Field(
        Decimal(60), ge=0, description="seconds an entry waits for signals missing before it"
    )
    price_max_age_s: Decimal = Field(
        Decimal(15), gt=0, description="seconds; an older price of a broker sizes no entry"
    )
    price_wait_s: Decimal = Field(
        Decimal(10), ge=0, description="seconds a signal waits for a broker's price or margin"
    )
    margin_max_age_s: Decimal = Field(
        Decimal(300), gt=0, description="seconds; an older margin preview of a broker is not used"
    )
    signal_max_skew_s: Decimal = Field(
        Decimal(60), gt=0, description="seconds that a sender's clock may be ahead of ours"
    )
    reference_cache_s: float = Field(
        0.5, ge=0, le=1, description="seconds that strategies, allocation and controls are kept"
    )


class ExecutionSettings(CommonSettings):
    """execution."""

    use_mock_broker: bool = Field(
        False, description="every account trades at the mock broker, whatever its broker is"
    )
    order_timeout_s: float = Field(5, gt=0, le=60, description="seconds to wait for the broker")
    reconcile_interval_s: float = Field(
        5, gt=0, le=600, description="seconds between looks at orders without an outcome"
    )
    absence_proof_s: float = Field(
        30, gt=0, le=3600, description="seconds until an order the broker never shows was not sent"
    )
    repeated_orders_max: int = Field(
        60, ge=1, description="entries of a strategy in one instrument and side within the window"
    )
    repeated_orders_window_s: float = Field(
        60, gt=0, le=86400, description="seconds; more of a kind lock the strategy until a reset"
    )
    reconcile_books_s: float = Field(
        60, gt=0, le=3600, description="seconds between comparisons of books with the broker's"
    )


class AccountDataSettings(CommonSettings):
    """account_data."""

    use_mock_broker: bool = Field(
        False, description="every account trades at the mock broker, whatever its broker is"
    )
    account_poll_s: float = Field(
        30, gt=0, le=3600, description="seconds between polls, half of account_max_age_s at most"
    )
    equity_jump_pct: Decimal = Field(
        Decimal(10),
        gt=0,
        le=100,
        description="percent of equity that may change unexplained; more holds entries",
    )
    fund_currency: str = Field(
        "USD", pattern="^[A-Z]{3}$", description="currency that all accounts are summed up in"
    )
    order_timeout_s: float = Field(5, gt=0, le=60, description="seconds to wait for the broker")


class PortfolioSettings(CommonSettings):
    """portfolio_builder."""

    whatif_most_signals: int = Field(
        20_000, ge=1, le=1_000_000, description="signals that one what-if decides again"
    )
    max_total_allocation_pct: Decimal = Field(
        Decimal(200), gt=0, le=1000, description="percent of equity, all strategies together"
    )
    reoptimize_cron: str = Field(
        "", description="when a study proposes an allocation: five fields, UTC; empty = never"
    )
    study_max_minutes: float = Field(
        240, gt=0, le=10_080, description="minutes that one study may run; others wait meanwhile"
    )
    record_max_bytes: int = Field(
        10_485_760, ge=1024, le=52_428_800, description="bytes of an uploaded track record"
    )


class DashboardSettings(CommonSettings):
    """dashboard_creator."""

    dashboard_refresh_s: float = Field(2, gt=0, le=600, description="seconds a snapshot is served")
    daily_report_cron: str = Field(
        "30 21 * * 1-5",
        description="when the daily report is made: five fields, UTC; never = none",
    )
    show_strategy_names_to_investors: bool = Field(
        False, description="whether investors read the names of strategies, or numbers"
    )
    session_idle_h: float = Field(
        12, gt=0, le=720, description="hours without a request until a log-in is over"
    )
    session_max_h: float = Field(168, gt=0, le=2160, description="hours until a log-in is over")
    cookie_secure: Literal["auto", "true", "false"] = Field(
        "auto", description="send the cookie over TLS only; auto = when trading is live"
    )


class TelegramSettings(CommonSettings):
    """telegram."""

    telegram_bot_token: SecretStr = Field(
        SecretStr(""), description="of the bot, from @BotFather; empty = no Telegram"
    )
    telegram_base_url: str = Field(
        "https://api.telegram.org",
        pattern=r"^(https://\S+|http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(/\S*)?)$",
        description="server of the Bot API; http to this machine only",
    )
    telegram_batch_s: float = Field(
        3, ge=0, le=300, description="seconds in which what happens becomes one message of a chat"
    )
    telegram_service_down_s: float = Field(
        20, ge=1, le=3600, description="seconds until a service that does not answer is told of"
    )
    public_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="address of the user interface, for links"
    )


class WebSettings(CommonSettings):
    """web."""

    web_allowed_hosts: str = Field(
        "", description="names by which browsers know this system, comma-separated; * = any"
    )
    web_ui_dir: Path | None = Field(
        None, description="folder of a UI built elsewhere; empty = frontend-admin/dist"
    )
    gateway_max_body_bytes: int = Field(262144, ge=1024, le=1_048_576, description="bytes")
    record_max_bytes: int = Field(
        10_485_760, ge=1024, le=52_428_800, description="bytes of an uploaded track record"
    )


class MockBrokerSettings(CommonSettings):
    """The mock broker (`python -m brokers.mock`)."""

    mock_initial_cash: Decimal = Field(Decimal(1_000_000), gt=0, description="account currency")
    mock_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="of all its accounts")
    mock_commission_per_unit: Decimal = Field(
        Decimal("0.005"), ge=0, description="account currency for each unit of an execution"
    )
    mock_commission_minimum: Decimal = Field(
        Decimal(1), ge=0, description="account currency for each execution"
    )
    mock_market: str = Field("{}", description="JSON of spread, depth, slippage, latency and hours")
    mock_capabilities: str = Field(
        "{}", description="JSON of what its accounts can do, where that is not everything"
    )
    mock_feed: str = Field("", description="file of prices that move by themselves; empty = none")


ALL_SETTINGS: tuple[type[CommonSettings], ...] = (
    CommonSettings,
    GatewaySettings,
    IngestionSettings,
    CerebroSettings,
    ExecutionSettings,
    AccountDataSettings,
    PortfolioSettings,
    DashboardSettings,
    TelegramSettings,
    WebSettings,
    MockBrokerSettings,
)
