import { dashboards } from '@/api/client'
import type { components, operations } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'
import { useStrategyNames } from '@/lib/use-strategy-names'

type Row = components['schemas']['ApprovalView']
type Query = operations['list_approvals']['parameters']['query']

const STATUSES: components['schemas']['ApprovalStatus'][] = [
  'APPROVED',
  'HALVED',
  'REJECTED',
  'EXPIRED',
]

/** What was asked, who answered what, and why. */
export function AnsweredTable() {
  const filters: Filter[] = [
    { name: 'strategy_id', label: 'Strategy', options: useStrategyNames() },
    {
      name: 'status',
      label: 'Answer',
      options: STATUSES.map((value) => ({ value, label: words(value) })),
    },
  ]
  return (
    <ListPage
      label="approvals"
      path="/api/v1/approvals"
      filters={filters}
      columns={COLUMNS}
      keyOf={(row) => row.signal_id}
      hrefOf={(row) => `/signals/${row.signal_id}`}
      load={async (query, before, signal) => {
        const asked = { ...query, before, limit: 100 } as Query
        const { data } = await dashboards.GET('/api/v1/approvals', {
          params: { query: asked },
          signal,
        })
        return data ?? { rows: [] }
      }}
      empty={<Empty>No approval was asked for yet.</Empty>}
    />
  )
}

const COLUMNS: Column<Row>[] = [
  { name: 'time', title: 'Asked', cell: (row) => <TimeText at={row.asked_at} /> },
  { name: 'strategy', title: 'Strategy', cell: (row) => row.strategy_id },
  { name: 'what', title: 'What', cell: (row) => <span title={row.sentence}>{row.sentence}</span> },
  { name: 'status', title: 'Answer', cell: (row) => <StatusBadge status={row.status} /> },
  { name: 'by', title: 'By', cell: (row) => row.answered_by ?? '–' },
  {
    name: 'reason',
    title: 'Reason',
    cell: (row) => <span title={row.reason ?? ''}>{row.reason ?? '–'}</span>,
    wide: true,
  },
]
