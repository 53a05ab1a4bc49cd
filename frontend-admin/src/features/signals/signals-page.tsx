import { Text } from '@mantine/core'
import { dashboards } from '@/api/client'
import type { components, operations } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Pnl } from '@/components/money'
import { Page } from '@/components/page'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { duration, words } from '@/lib/format'
import { useStrategyNames } from '@/lib/use-strategy-names'

type Row = components['schemas']['SignalRow']
type Query = operations['get_signals']['parameters']['query']

const STATUSES: components['schemas']['SignalStatus'][] = [
  'RECEIVED',
  'STANDARDIZED',
  'DECIDED',
  'WORKING',
  'COMPLETED',
  'DENIED',
  'REJECTED',
  'CANCELED',
  'EXPIRED',
  'QUARANTINED',
]
const INTENTS: components['schemas']['Intent'][] = [
  'ENTRY',
  'EXIT',
  'SCALE_IN',
  'SCALE_OUT',
  'CANCEL',
]
const inWords = (value: string) => ({ value, label: words(value) })

/** Every signal, live: what came, what was decided, how fast, and what it made. */
export function SignalsPage() {
  const strategies = useStrategyNames()
  const filters: Filter[] = [
    { name: 'q', label: 'Id or symbol' },
    { name: 'strategy_id', label: 'Strategy', options: strategies },
    { name: 'status', label: 'Status', options: STATUSES.map(inWords), width: 130 },
    { name: 'intent', label: 'Type', options: INTENTS.map(inWords), width: 120 },
    { name: 'account_id', label: 'Account', width: 110 },
    { name: 'since', label: 'From', type: 'date', width: 130 },
    { name: 'until', label: 'To', type: 'date', width: 130 },
  ]
  return (
    <Page title="Signals">
      <ListPage
        label="signals"
        path="/api/v1/signals"
        filters={filters}
        columns={COLUMNS}
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
    </Page>
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
