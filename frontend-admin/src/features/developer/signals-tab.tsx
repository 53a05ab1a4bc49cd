import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { ListPage } from '@/components/list-page'
import { Exact } from '@/components/money'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'

type Row = components['schemas']['SenderSignal']
type Status = components['schemas']['SignalStatus']
const STATUSES: Status[] = [
  'RECEIVED',
  'WORKING',
  'COMPLETED',
  'DENIED',
  'REJECTED',
  'CANCELED',
  'EXPIRED',
  'QUARANTINED',
]
const PATH = '/api/v1/signal-senders/{strategy_id}/signals'

/** Every signal of one strategy, and why it was not what was asked. */
export function SignalsTab({ strategyId }: { strategyId: string }) {
  return (
    <ListPage<Row>
      label="signals"
      path={PATH}
      filters={[{ name: 'status', label: 'Status', options: STATUSES }]}
      always={{ of: strategyId }}
      keyOf={(row) => row.signal_id}
      hrefOf={(row) =>
        `/developer/${encodeURIComponent(strategyId)}/signals/${encodeURIComponent(row.signal_id)}`
      }
      load={async (query, before, signal) => {
        const { data } = await dashboards.GET(PATH, {
          params: {
            path: { strategy_id: strategyId },
            query: { status: query.status as Status | undefined, before, limit: 100 },
          },
          signal,
        })
        return { rows: data?.rows ?? [], next: data?.next ?? null }
      }}
      empty={
        <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --key <your key>">
          There is no such signal yet. Try one under “Try a signal”, then send it:
        </Empty>
      }
      columns={[
        { name: 'when', title: 'When', cell: (row) => <TimeText at={row.timestamp} /> },
        {
          name: 'what',
          title: 'Signal',
          cell: (row) => `${row.action ?? ''} ${row.ticker ?? 'not readable'}`.trim(),
        },
        {
          name: 'asked',
          title: 'Asked',
          numeric: true,
          cell: (row) => <Exact value={row.requested_quantity} />,
        },
        {
          name: 'got',
          title: 'Filled',
          numeric: true,
          cell: (row) => <Exact value={row.actual_quantity} />,
        },
        {
          name: 'price',
          title: 'Price',
          numeric: true,
          wide: true,
          cell: (row) => <Exact value={row.execution_price} />,
        },
        { name: 'status', title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
        { name: 'why', title: 'Why', wide: true, cell: (row) => row.approval_reason },
      ]}
    />
  )
}
