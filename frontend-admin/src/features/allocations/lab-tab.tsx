import { Anchor, Progress, Stack } from '@mantine/core'
import { Link } from 'react-router'
import { $portfolio } from '@/api/client'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { amount, percent, words } from '@/lib/format'
import { useMay } from '@/lib/session'
import { StudyForm } from './study-form'

const OPEN = new Set(['QUEUED', 'RUNNING'])

/** Studies: a method tried on days that it had not seen. */
export function LabTab() {
  const mayConfigure = useMay('CONFIGURE')
  const query = $portfolio.useQuery(
    'get',
    '/api/v1/portfolio-tests',
    { params: { query: { limit: 50 } } },
    {
      refetchInterval: ({ state }) =>
        state.data?.some((each) => OPEN.has(each.status)) ? 10_000 : 30_000,
    },
  )
  return (
    <Stack gap="md">
      {mayConfigure && <StudyForm />}
      <Panel title="Studies">
        <Loaded query={query} what="Studies" rows={5}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty>No study was made yet: choose strategies and a method above.</Empty>
            ) : (
              <SmallTable
                label="Studies"
                rows={rows}
                keyOf={(row) => row.test_id}
                columns={[
                  {
                    name: 'what',
                    title: 'Study',
                    cell: (row) => (
                      <Anchor
                        component={Link}
                        fz="inherit"
                        to={`/allocations/studies/${encodeURIComponent(row.test_id)}`}
                      >
                        {words(row.request.method)} of {row.request.strategy_ids.length}
                      </Anchor>
                    ),
                  },
                  {
                    name: 'status',
                    title: 'Status',
                    cell: (row) =>
                      row.status === 'RUNNING' ? (
                        <Progress
                          value={row.progress * 100}
                          aria-label={`${percent(row.progress, 0)} done`}
                        />
                      ) : (
                        <StatusBadge status={row.status} />
                      ),
                  },
                  {
                    name: 'sharpe',
                    title: 'Sharpe',
                    numeric: true,
                    cell: (row) => amount(row.performance?.sharpe),
                  },
                  {
                    name: 'drawdown',
                    title: 'Drawdown',
                    numeric: true,
                    wide: true,
                    cell: (row) => percent(row.performance?.max_drawdown),
                  },
                  { name: 'by', title: 'By', wide: true, cell: (row) => row.requested_by },
                  {
                    name: 'when',
                    title: 'When',
                    cell: (row) => <TimeText at={row.requested_at} />,
                  },
                ]}
              />
            )
          }
        </Loaded>
      </Panel>
    </Stack>
  )
}
