import { Alert, Anchor, Badge, Text, Tooltip } from '@mantine/core'
import { Link } from 'react-router'
import { $portfolio } from '@/api/client'
import { type Column, DataTable } from '@/components/data-table'
import { type Filter, FilterBar } from '@/components/filter-bar'
import { ModeBadge } from '@/components/mode-badge'
import { Page } from '@/components/page'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { percent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useUrlState } from '@/lib/use-url-state'
import { NewStrategy } from './new-strategy'
import type { StrategyView } from './types'
import { VerdictBadge } from './verdict'

const FILTERS: Filter[] = [
  { name: 'q', label: 'Search', width: 200 },
  { name: 'mode', label: 'Mode', options: ['SHADOW', 'PAPER', 'LIVE'], width: 110 },
  { name: 'status', label: 'Status', options: ['ACTIVE', 'INACTIVE'], width: 120 },
  {
    name: 'archived',
    label: 'Archived',
    options: [{ value: 'yes', label: 'shown too' }],
    width: 120,
  },
]

const COLUMNS: Column<StrategyView>[] = [
  {
    name: 'strategy',
    title: 'Strategy',
    cell: (row) => (
      <>
        <Anchor component={Link} to={hrefOf(row)} fz="sm" fw={600}>
          {row.strategy_id}
        </Anchor>
        {row.name !== row.strategy_id && (
          <Text span c="dimmed" fz="xs" ml={6} visibleFrom="sm">
            {row.name}
          </Text>
        )}
      </>
    ),
  },
  { name: 'mode', title: 'Mode', width: 80, cell: (row) => <ModeBadge mode={row.mode} /> },
  {
    name: 'status',
    title: 'Status',
    width: 100,
    cell: (row) => <StatusBadge status={row.archived_at ? 'ARCHIVED' : row.status} />,
  },
  {
    name: 'allocation',
    title: 'Allocation',
    numeric: true,
    width: 96,
    cell: (row) => percent(row.allocation_ratio),
  },
  {
    name: 'verdict',
    title: 'Live against claimed',
    width: 160,
    wide: true,
    cell: (row) => <VerdictBadge strategyId={row.strategy_id} />,
  },
  {
    name: 'accounts',
    title: 'Accounts',
    wide: true,
    cell: (row) => row.accounts.map((each) => each.account_id).join(', ') || '–',
  },
  { name: 'owner', title: 'Owner', wide: true, cell: (row) => row.owner || '–' },
  { name: 'warnings', title: 'Keeps it from trading', cell: (row) => <Warnings row={row} /> },
]

/** Every strategy: how it trades, what it is given, and whether it keeps its promise. */
export function StrategiesPage() {
  const [archived] = useUrlState('archived')
  const mayConfigure = useMay('CONFIGURE')
  const query = $portfolio.useQuery('get', '/api/v1/strategies', {
    params: { query: { archived: archived === 'yes' } },
  })
  return (
    <Page title="Strategies" actions={mayConfigure && <NewStrategy />}>
      <FilterBar filters={FILTERS} />
      <Loaded query={query} what="Strategies" rows={8}>
        {(found) => (
          <>
            {found.unreadable.map((each) => (
              <Alert key={each.strategy_id} color="red" variant="light" role="alert">
                {each.strategy_id} cannot be read and does not trade: {each.sentence}
              </Alert>
            ))}
            <List rows={found.strategies} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function List({ rows }: { rows: StrategyView[] }) {
  const [text] = useUrlState('q')
  const [mode] = useUrlState('mode')
  const [status] = useUrlState('status')
  const shown = rows.filter(
    (row) =>
      (!mode || row.mode === mode) && (!status || row.status === status) && matches(row, text),
  )
  if (rows.length === 0) {
    return (
      <Empty command='python3 scripts/strategies.py create MY-STRATEGY --reason "…"'>
        There is no strategy yet. Make the first one here, or at a terminal:
      </Empty>
    )
  }
  if (shown.length === 0) return <Empty>No strategy matches these filters: widen them.</Empty>
  return (
    <DataTable
      label="Strategies"
      rows={shown}
      columns={COLUMNS}
      keyOf={(row) => row.strategy_id}
      hrefOf={hrefOf}
    />
  )
}

function Warnings({ row }: { row: StrategyView }) {
  if (row.warnings.length === 0) return <Text fz="xs">nothing</Text>
  return (
    <Tooltip label={row.warnings.join(' · ')} multiline maw={360}>
      <Badge color="yellow" variant="light" size="sm" radius="sm" tabIndex={0}>
        {row.warnings.length === 1 ? '1 thing' : `${row.warnings.length} things`}
      </Badge>
    </Tooltip>
  )
}

function matches(row: StrategyView, text: string): boolean {
  const words = [row.strategy_id, row.name, row.owner, row.asset_class, ...row.instruments]
  return words.join(' ').toLowerCase().includes(text.trim().toLowerCase())
}

function hrefOf(row: StrategyView): string {
  return `/strategies/${encodeURIComponent(row.strategy_id)}`
}
