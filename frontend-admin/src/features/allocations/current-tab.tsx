import { Alert, Anchor, Group, SimpleGrid, Skeleton, Stack, Text } from '@mantine/core'
import { lazy, Suspense } from 'react'
import { Link } from 'react-router'
import { $portfolio } from '@/api/client'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { UseBar } from '@/components/use-bar'
import { percent } from '@/lib/format'
import { AllocationBar } from './allocation-bar'
import { type Allocation, cssColorOf } from './types'

const Donut = lazy(() => import('./share-donut'))

export function useCurrent() {
  return $portfolio.useQuery('get', '/api/v1/allocations/current')
}

export function useCaps() {
  return $portfolio.useQuery('get', '/api/v1/allocations/caps')
}

/** The allocation that trades now. */
export function CurrentTab() {
  const query = useCurrent()
  return (
    <Loaded query={query} what="The allocation" rows={8}>
      {(current) =>
        current.allocations.length === 0 ? (
          <Empty command='python3 scripts/allocations.py propose STRATEGY=40% --reason "…"'>
            Nothing is allocated, so no strategy enters anything. Use the editor, or a terminal:
          </Empty>
        ) : (
          <Current current={current} />
        )
      }
    </Loaded>
  )
}

function Current({ current }: { current: Allocation }) {
  const caps = useCaps()
  const capOf = (id: string) =>
    caps.data?.strategies.find((each) => each.strategy_id === id)?.max_ratio ?? null
  return (
    <Stack gap="md">
      {current.warnings.map((warning) => (
        <Alert key={warning} color="yellow" variant="light">
          {warning}
        </Alert>
      ))}
      <Panel title={`${percent(current.sum_ratio)} allocated`}>
        <AllocationBar rows={current.allocations} cap={caps.data?.max_ratio ?? null} />
        <Text fz="xs" c="dimmed" mt={6}>
          Version {current.version}, approved by {current.approved_by || 'nobody'}{' '}
          <TimeText at={current.approved_at} />: {current.reason}
          {current.override && `. Against a study: ${current.override}`}
        </Text>
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Panel title="By strategy">
          <SmallTable
            label="Current allocation"
            rows={current.allocations.map((row, place) => ({ ...row, place }))}
            keyOf={(row) => row.strategy_id}
            columns={[
              {
                name: 'strategy',
                title: 'Strategy',
                cell: (row) => (
                  <Group gap={6} wrap="nowrap">
                    <span aria-hidden="true" style={{ color: cssColorOf(row.place) }}>
                      ■
                    </span>
                    <Anchor
                      component={Link}
                      fz="inherit"
                      to={`/strategies/${encodeURIComponent(row.strategy_id)}`}
                    >
                      {row.strategy_id}
                    </Anchor>
                  </Group>
                ),
              },
              {
                name: 'ratio',
                title: 'Allocation',
                numeric: true,
                cell: (row) => percent(row.ratio),
              },
              {
                name: 'cap',
                title: 'Cap',
                numeric: true,
                cell: (row) => percent(capOf(row.strategy_id)),
              },
              {
                name: 'use',
                title: 'Of the cap',
                cell: (row) => {
                  const cap = capOf(row.strategy_id)
                  return cap ? (
                    <UseBar
                      used={Number(row.ratio) / Number(cap)}
                      label={`${row.strategy_id} of its cap`}
                    />
                  ) : (
                    <Text fz="xs" c="dimmed">
                      no cap
                    </Text>
                  )
                },
              },
            ]}
          />
        </Panel>
        <Panel title="Shares">
          <Suspense fallback={<Skeleton h={240} />}>
            <Donut rows={current.allocations} />
          </Suspense>
        </Panel>
      </SimpleGrid>
    </Stack>
  )
}
