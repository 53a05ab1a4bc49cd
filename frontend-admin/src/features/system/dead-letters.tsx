import { Button } from '@mantine/core'
import { dashboards } from '@/api/client'
import type { components, operations } from '@/api/dashboard-creator'
import type { Column } from '@/components/data-table'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'
import { LetterDetails } from './letter-details'

type Row = components['schemas']['DeadLetter']
type Query = operations['get_dead_letters']['parameters']['query']

const FILTERS: Filter[] = [
  {
    name: 'status',
    param: 'letters',
    label: 'Status',
    options: ['FAILING', 'DEAD', 'RECOVERED', 'DISCARDED'].map((value) => ({
      value,
      label: words(value),
    })),
    width: 130,
  },
]

/** Messages that could not be handled; nothing of them is lost. */
export function DeadLetters() {
  const [open, setOpen] = useUrlState('letter')
  const columns: Column<Row>[] = [
    ...COLUMNS,
    {
      name: 'acts',
      title: 'Acts',
      cell: (row) => (
        <Button size="compact-xs" variant="default" onClick={() => setOpen(row.dead_letter_id)}>
          Open
        </Button>
      ),
    },
  ]
  return (
    <>
      <ListPage
        label="dead letters"
        path="/api/v1/dead-letters"
        filters={FILTERS}
        columns={columns}
        keyOf={(row) => row.dead_letter_id}
        csv="/api/dashboard_creator/v1/dead-letters.csv"
        height="calc(100dvh - 320px)"
        load={async (query, before, signal) => {
          const asked = { ...query, before, limit: 100 } as Query
          const { data } = await dashboards.GET('/api/v1/dead-letters', {
            params: { query: asked },
            signal,
          })
          return data ?? { rows: [] }
        }}
        empty={<Empty>Every message was handled.</Empty>}
      />
      <LetterDetails id={open} close={() => setOpen(null)} />
    </>
  )
}

const COLUMNS: Column<Row>[] = [
  { name: 'status', title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
  { name: 'subscription', title: 'Consumer', cell: (row) => row.subscription },
  {
    name: 'error',
    title: 'Error',
    cell: (row) => <span title={row.error}>{row.error}</span>,
  },
  { name: 'failures', title: 'Failures', numeric: true, cell: (row) => row.failures },
  {
    name: 'first',
    title: 'First',
    cell: (row) => <TimeText at={row.first_failed_at} />,
    wide: true,
  },
  { name: 'last', title: 'Last', cell: (row) => <TimeText at={row.last_failed_at} /> },
]
