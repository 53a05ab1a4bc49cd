import { Button, Text } from '@mantine/core'
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
import { IncidentDetails } from './incident-details'

type Row = components['schemas']['Incident']
type Query = operations['get_incidents']['parameters']['query']

const FILTERS: Filter[] = [
  {
    name: 'status',
    param: 'incidents',
    label: 'Status',
    options: [
      { value: 'OPEN', label: 'Open' },
      { value: 'CLEARED', label: 'Cleared' },
    ],
    width: 120,
  },
  { name: 'kind', label: 'Kind', width: 200 },
]

/** What a person must see, last seen first. */
export function Incidents() {
  const [open, setOpen] = useUrlState('incident')
  const columns: Column<Row>[] = [
    ...COLUMNS,
    {
      name: 'acts',
      title: 'Acts',
      cell: (row) => (
        <Button size="compact-xs" variant="default" onClick={() => setOpen(row.incident_id)}>
          Open
        </Button>
      ),
    },
  ]
  return (
    <>
      <ListPage
        label="incidents"
        path="/api/v1/incidents"
        filters={FILTERS}
        columns={columns}
        keyOf={(row) => row.incident_id}
        csv="/api/dashboard_creator/v1/incidents.csv"
        height="calc(100dvh - 320px)"
        load={async (query, before, signal) => {
          const asked = { ...query, before, limit: 100 } as Query
          const { data } = await dashboards.GET('/api/v1/incidents', {
            params: { query: asked },
            signal,
          })
          return data ?? { rows: [] }
        }}
        empty={<Empty>There is no incident of this kind.</Empty>}
      />
      <IncidentDetails id={open} close={() => setOpen(null)} />
    </>
  )
}

const COLUMNS: Column<Row>[] = [
  { name: 'status', title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
  { name: 'kind', title: 'Kind', cell: (row) => words(row.kind) },
  {
    name: 'sentence',
    title: 'What happened',
    cell: (row) => <span title={row.sentence}>{row.sentence}</span>,
  },
  { name: 'count', title: 'Times', numeric: true, cell: (row) => row.count },
  { name: 'opened', title: 'Since', cell: (row) => <TimeText at={row.opened_at} />, wide: true },
  {
    name: 'seen',
    title: 'Last seen',
    cell: (row) => (
      <Text span fz="inherit">
        <TimeText at={row.last_seen_at} />
      </Text>
    ),
  },
]
