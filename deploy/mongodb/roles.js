// Written by scripts/make_roles.py: change that, and run it.
// mongosh "$ADMIN_URI" deploy/mongodb/roles.js; DATABASE=name in front for another one.
const database = process.env.DATABASE || "mathematricks_trading";
const target = db.getSiblingDB(database);
const READ = ["find", "changeStream", "collStats"];
const WRITE = ["find", "changeStream", "collStats", "insert", "update", "remove"];
const SERVICES = {
  "telegram": {
    "read": [
      "daily_reports",
      "execution_confirmations",
      "layout",
      "orders",
      "positions",
      "signal_store",
      "strategies",
      "users"
    ],
    "write": [
      "approvals",
      "audit_log",
      "checkpoints",
      "controls",
      "funds",
      "idempotency_keys",
      "incidents",
      "kill_runs",
      "leases",
      "notification_channels",
      "notification_counters",
      "notification_links",
      "notification_outbox",
      "notification_settings",
      "notifications",
      "risk_limits",
      "risk_locks",
      "risk_resets",
      "service_states",
      "telegram_questions",
      "trading_accounts"
    ],
    "watches_all": true
  },
  "dashboard_creator": {
    "read": [
      "account_positions",
      "allocation_history",
      "allocation_proposals",
      "contention_ledger",
      "current_allocation",
      "daily_marks",
      "fund_history",
      "fund_points",
      "layout",
      "live_reports",
      "reconciliations",
      "reservations",
      "strategies",
      "strategy_returns",
      "trading_signals_raw"
    ],
    "write": [
      "approvals",
      "audit_log",
      "checkpoints",
      "controls",
      "daily_reports",
      "dashboards",
      "dead_letters",
      "execution_confirmations",
      "funds",
      "futures_margins",
      "idempotency_keys",
      "incidents",
      "kill_runs",
      "latency_buckets",
      "leases",
      "login_failures",
      "notification_channels",
      "notification_counters",
      "notification_links",
      "notification_outbox",
      "notification_settings",
      "notifications",
      "orders",
      "positions",
      "risk_limits",
      "risk_locks",
      "risk_resets",
      "sequences",
      "sessions",
      "signal_store",
      "strategy_days",
      "strategy_months",
      "strategy_totals",
      "trading_accounts",
      "users"
    ],
    "watches_all": true
  },
  "portfolio_builder": {
    "read": [
      "daily_marks",
      "equity_history",
      "execution_confirmations",
      "fund_history",
      "layout",
      "orders",
      "positions",
      "signal_store",
      "trading_accounts"
    ],
    "write": [
      "allocation_caps",
      "allocation_history",
      "allocation_proposals",
      "audit_log",
      "current_allocation",
      "idempotency_keys",
      "incidents",
      "leases",
      "live_reports",
      "portfolio_test_files",
      "portfolio_tests",
      "record_reviews",
      "record_versions",
      "reoptimization",
      "risk_limits",
      "sessions",
      "strategies",
      "strategy_returns",
      "users"
    ],
    "watches_all": false
  },
  "account_data": {
    "read": [
      "cash_flows",
      "execution_confirmations",
      "foreign_orders",
      "layout",
      "orders",
      "positions",
      "reconciliations",
      "strategies"
    ],
    "write": [
      "account_positions",
      "audit_log",
      "capital_flows",
      "controls",
      "daily_marks",
      "dead_letters",
      "equity_history",
      "equity_points",
      "fund_history",
      "fund_points",
      "funds",
      "idempotency_keys",
      "incidents",
      "margin_previews",
      "market_prices",
      "price_points",
      "risk_locks",
      "sessions",
      "trading_accounts",
      "users"
    ],
    "watches_all": false
  },
  "execution": {
    "read": [
      "capital_flows",
      "layout",
      "strategies"
    ],
    "write": [
      "audit_log",
      "cash_flows",
      "checkpoints",
      "controls",
      "dead_letters",
      "execution_confirmations",
      "foreign_orders",
      "funds",
      "idempotency_keys",
      "incidents",
      "kill_runs",
      "leases",
      "orders",
      "positions",
      "reconciliations",
      "reservations",
      "risk_limits",
      "risk_locks",
      "risk_resets",
      "signal_store",
      "square_offs",
      "trading_accounts"
    ],
    "watches_all": false
  },
  "cerebro": {
    "read": [
      "current_allocation",
      "execution_confirmations",
      "layout",
      "positions",
      "record_versions",
      "strategies",
      "strategy_returns"
    ],
    "write": [
      "approvals",
      "audit_log",
      "checkpoints",
      "contention_ledger",
      "controls",
      "dead_letters",
      "funds",
      "futures_margins",
      "idempotency_keys",
      "incidents",
      "margin_previews",
      "market_prices",
      "orders",
      "reservations",
      "risk_limits",
      "risk_locks",
      "risk_resets",
      "sequences",
      "signal_store",
      "trading_accounts"
    ],
    "watches_all": false
  },
  "signal_ingestion": {
    "read": [
      "layout",
      "strategies",
      "trading_accounts"
    ],
    "write": [
      "audit_log",
      "checkpoints",
      "idempotency_keys",
      "incidents",
      "leases",
      "signal_store",
      "trading_signals_raw"
    ],
    "watches_all": false
  },
  "signal_gateway": {
    "read": [
      "execution_confirmations",
      "layout",
      "orders",
      "positions"
    ],
    "write": [
      "audit_log",
      "checkpoints",
      "controls",
      "idempotency_keys",
      "incidents",
      "kill_runs",
      "leases",
      "rate_windows",
      "sessions",
      "signal_store",
      "strategies",
      "trading_accounts",
      "trading_signals_raw",
      "users"
    ],
    "watches_all": false
  }
};

const resource = (collection) => ({ db: database, collection });

function on(collections, actions) {
  return collections.map((name) => ({ resource: resource(name), actions }));
}

function give(name, role) {
  const wanted = { ...role, roles: role.roles || [] };
  if (target.getRole(name)) target.updateRole(name, wanted);
  else target.createRole({ role: name, ...wanted });
  if (!target.getUser(name)) {
    print(`password of ${name}:`);
    target.createUser({ user: name, pwd: passwordPrompt(), roles: [name] });
  }
}

for (const [service, uses] of Object.entries(SERVICES)) {
  const privileges = [...on(uses.read, READ), ...on(uses.write, WRITE)];
  const all = { resource: resource(""), actions: ["find", "changeStream"] };
  if (uses.watches_all) privileges.push(all);
  give(`mt_${service}`, { privileges });
}
// Migrations, restores, and people at the scripts: everything in this one database.
give("mt_prepare", { privileges: [], roles: [{ role: "dbOwner", db: database }] });
// Backups: reads everything, changes nothing.
give("mt_backup", { privileges: [], roles: [{ role: "read", db: database }] });
