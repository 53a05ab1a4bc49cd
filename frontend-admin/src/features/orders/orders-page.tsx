import { SegmentedControl, Text } from '@mantine/core'
import { dashboards } from '@/api/client'
import type { components, operations } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Exact, Price } from '@/components/money'
import { termsOf } from '@/components/order-tables'
import { Page } from '@/components/page'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { exact, words } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { useStrategyNames } from '@/lib/use-strategy-names'
import { useUrlState } from '@/lib/use-url-state'
import { OrderActions } from './order-actions'
import { UnknownOrders } from './unknown-orders'

type Row = components['schemas']['OrderLine']
type Query = operations['get_orders']['parameters']['query']

const STATUSES: components['schemas']['OrderStatus'][] = [
  'PENDING',
  'SUBMITTING',
  'SUBMITTED',
  'PARTIALLY_FILLED',
  'FILLED',
  'DENIED',
  'REJECTED',
  'CANCEL_PENDING',
  'CANCELED',
  'EXPIRED',
  'UNKNOWN',
]
const VIEWS: Record<string, Record<string, string>> = {
  working: { working: 'true' },
  ended: { working: 'false' },
  all: {},
}

/** Orders that work, first of all those of which nobody knows the outcome; then all others. */
export function OrdersPage() {
  const strategies = useStrategyNames()
  const [view, setView] = useUrlState('view', 'working')
  const filters: Filter[] = [
    { name: 'symbol', label: 'Symbol', width: 110 },
    { name: 'strategy_id', label: 'Strategy', options: strategies },
    { name: 'account_id', label: 'Account', width: 110 },
    {
      name: 'status',
      label: 'Status',
      options: STATUSES.map((value) => ({ value, label: words(value) })),
    },
    { name: 'since', label: 'From', type: 'date', width: 130 },
    { name: 'until', label: 'To', type: 'date', width: 130 },
  ]
  return (
    <Page
      title="Orders"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="which orders"
          value={view in VIEWS ? view : 'working'}
          onChange={setView}
          data={[
            { value: 'working', label: 'Working' },
            { value: 'ended', label: 'Ended' },
            { value: 'all', label: 'All' },
          ]}
        />
      }
    >
      <UnknownOrders />
      <ListPage
        label="orders"
        path="/api/v1/orders"
        filters={filters}
        always={VIEWS[view] ?? VIEWS.working}
        columns={COLUMNS}
        keyOf={(row) => row.client_order_id}
        hrefOf={(row) => `/orders/${encodeURIComponent(row.client_order_id)}`}
        tone={(row) => (row.status === 'UNKNOWN' ? 'var(--mantine-color-red-light)' : undefined)}
        csv="/api/dashboard_creator/v1/orders.csv"
        load={async (query, before, signal) => {
          const asked = { ...query, before, limit: 100 } as Query
          const { data } = await dashboards.GET('/api/v1/orders', {
            params: { query: asked },
            signal,
          })
          return data ?? { rows: [] }
        }}
        empty={
          view === 'working' ? (
            <Empty>No order is working.</Empty>
          ) : (
            <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --follow">
              No order is here. Orders come from signals:
            </Empty>
          )
        }
      />
    </Page>
  )
}

/** What it is for stands before its terms where it is not simply the leg of a signal. */
function termsInRole(row: Row): string {
  return row.role === 'LEG' ? termsOf(row) : `${words(row.role)}: ${termsOf(row)}`
}

const COLUMNS: Column<Row>[] = [
  {
    name: 'what',
    title: 'Order',
    cell: (row) => `${row.side} ${exact(row.quantity)} ${instrumentWords(row.instrument)}`,
  },
  { name: 'account', title: 'Account', cell: (row) => row.account_id },
  { name: 'strategy', title: 'Strategy', cell: (row) => row.strategy_id, wide: true },
  {
    name: 'status',
    title: 'Status',
    cell: (row) => (
      <>
        <StatusBadge status={row.status} />{' '}
        {(row.doing || row.text) && (
          <Text span fz="xs" c="dimmed" title={row.doing || row.text}>
            {row.doing || row.text}
          </Text>
        )}
      </>
    ),
  },
  { name: 'terms', title: 'Terms', cell: termsInRole },
  {
    name: 'filled',
    title: 'Filled',
    numeric: true,
    cell: (row) => (
      <>
        <Exact value={row.filled_quantity} /> / <Exact value={row.quantity} />
      </>
    ),
  },
  {
    name: 'price',
    title: 'Price',
    numeric: true,
    cell: (row) => <Price value={row.avg_fill_price} />,
  },
  {
    name: 'changed',
    title: 'Changed',
    cell: (row) => <TimeText at={row.updated_at} />,
    wide: true,
  },
  { name: 'acts', title: 'Acts', cell: (row) => <OrderActions order={row} compact /> },
]
