import { Text } from '@mantine/core'
import { dashboards } from '@/api/client'
import type { components, operations } from '@/api/dashboard-creator'
import { duration, words } from '@/lib/format'
import type { Column } from './data-table'
import type { Filter } from './filter-bar'
import { ListPage } from './list-page'
import { Pnl } from './money'
import { Empty } from './states'
import { StatusBadge } from './status-badge'
import { TimeText } from './time-text'

type Row = components['schemas']['SignalRow']
type Query = operations['get_signals']['parameters']['query']

/** Signals of any number, live: what came, what was decided, how fast, and what it made. */
export function SignalList({
  filters,
  strategyId,
}: {
  filters: Filter[]
  /** Of this one only: its name is no column then. */
  strategyId?: string
}) {
  return (
    <ListPage
      label="signals"
      path="/api/v1/signals"
      filters={filters}
      always={strategyId ? { strategy_id: strategyId } : undefined}
      columns={strategyId ? COLUMNS.filter((each) => each.name !== 'strategy') : COLUMNS}
      keyOf={(row) => row.signal_id}
      hrefOf={(row) => `/signals/${encodeURIComponent(row.signal_id)}`}
      csv="/api/dashboard_creator/v1/signals.csv"
      load={async (query, before, signal) => {
        const asked = { ...query, before, limit: 100 } as Query
        const { data } = await dashboards.GET('/api/v1/signals', {
          params: { query: asked },
          signal,
        })
        return data ?? { rows: [] }
      }}
      empty={
        <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --follow">
          No signal is here. Send one to see its road:
        </Empty>
      }
    />
  )
}

const COLUMNS: Column<Row>[] = [
  { name: 'time', title: 'Time', cell: (row) => <TimeText at={row.received_at} /> },
  { name: 'strategy', title: 'Strategy', cell: (row) => row.strategy_id },
  {
    name: 'type',
    title: 'Type',
    cell: (row) => (row.intent ? words(row.intent) : '–'),
    wide: true,
  },
  { name: 'legs', title: 'Legs', cell: (row) => <span title={row.legs}>{row.legs || '–'}</span> },
  { name: 'status', title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
  { name: 'decision', title: 'Decision', cell: (row) => <Decision row={row} /> },
  {
    name: 'latency',
    title: 'To broker',
    numeric: true,
    cell: (row) => (
      <span
        title={`decided after ${duration(row.decided_ms)}, first fill after ${duration(row.filled_ms)}`}
      >
        {duration(row.submitted_ms)}
      </span>
    ),
  },
  {
    name: 'pnl',
    title: 'Realized P&L',
    numeric: true,
    cell: (row) => (
      <>
        <Pnl value={row.realized_pnl} />{' '}
        {row.realized_pnl !== null && (
          <Text span fz="xs" c="dimmed">
            {row.currency}
          </Text>
        )}
      </>
    ),
  },
]

function Decision({ row }: { row: Row }) {
  return (
    <>
      <StatusBadge status={row.outcome} />{' '}
      {row.code && (
        <Text span fz="xs" c="dimmed" title={row.code}>
          {words(row.code)}
        </Text>
      )}
    </>
  )
}
