import { Button, Group, Skeleton, Stack, Text } from '@mantine/core'
import { lazy, Suspense } from 'react'
import { $portfolio, portfolio } from '@/api/client'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { percent, signedPercent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { type Allocation, ratiosOf } from './types'

const Chart = lazy(() => import('./history-chart'))

/** Every version: who, when, why, what changed; a former one comes back as a new one. */
export function HistoryTab() {
  const query = $portfolio.useQuery('get', '/api/v1/allocations/history', {
    params: { query: { limit: 200 } },
  })
  return (
    <Loaded query={query} what="The history" rows={8}>
      {(versions) =>
        versions.length === 0 ? (
          <Empty>No allocation was ever approved.</Empty>
        ) : (
          <Stack gap="md">
            {versions.length > 1 && (
              <Panel title="Over time">
                <Suspense fallback={<Skeleton h={240} />}>
                  <Chart versions={versions} />
                </Suspense>
              </Panel>
            )}
            <Panel title="Versions">
              <Stack gap="sm">
                {versions.map((version, place) => (
                  <VersionRow
                    key={version.version}
                    version={version}
                    before={versions[place + 1]}
                    current={versions[0]}
                  />
                ))}
              </Stack>
            </Panel>
          </Stack>
        )
      }
    </Loaded>
  )
}

function VersionRow({
  version,
  before,
  current,
}: {
  version: Allocation
  before: Allocation | undefined
  current: Allocation | undefined
}) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')
  const isCurrent = version.version === current?.version
  const diff = diffOf(before, version)

  function revert() {
    if (!current) return
    ask({
      title: `Back to version ${version.version}`,
      facts: [
        ...diffOf(current, version).map(({ id, from, to }): [string, string] => [
          id,
          `${percent(from)} → ${percent(to)}`,
        ]),
        ['Becomes', `version ${current.version + 1}; entries are sized by it within a second`],
      ],
      reason: true,
      danger: true,
      action: 'Revert',
      act: async (reason) => {
        await portfolio.POST('/api/v1/allocations/revert', {
          body: { to_version: version.version, version: current.version, reason },
        })
        await refresh('/api/v1/allocations', '/api/v1/strategies')
      },
    })
  }

  return (
    <Group justify="space-between" align="start" wrap="wrap" gap="xs">
      <div style={{ flex: 1, minWidth: 240 }}>
        <Group gap="xs">
          <Text fz="sm" fw={600}>
            Version {version.version}
          </Text>
          {isCurrent && <StatusBadge status="ACTIVE" />}
          <Text fz="xs" c="dimmed">
            {percent(version.sum_ratio)} · {version.approved_by || 'nobody'}{' '}
            <TimeText at={version.approved_at} />
            {version.reverts_to ? ` · back to version ${version.reverts_to}` : ''}
          </Text>
        </Group>
        <Text fz="sm">{version.reason}</Text>
        {version.override && <Text fz="sm">Override: {version.override}</Text>}
        <Text fz="sm" c="dimmed">
          {diff.length === 0
            ? 'nothing changed'
            : diff
                .map(
                  ({ id, from, to }) =>
                    `${id} ${percent(from)} → ${percent(to)} (${signedPercent(Number(to) - Number(from))})`,
                )
                .join(', ')}
        </Text>
      </div>
      {mayConfigure && !isCurrent && (
        <Button
          variant="default"
          size="compact-xs"
          onClick={revert}
          aria-label={`Revert to version ${version.version}`}
        >
          Revert
        </Button>
      )}
      {question}
    </Group>
  )
}

/** Strategies whose ratio differs; one that is left out has 0. */
export function diffOf(
  before: Allocation | undefined,
  after: Allocation,
): { id: string; from: string; to: string }[] {
  const [was, is] = [ratiosOf(before?.allocations ?? []), ratiosOf(after.allocations)]
  return Object.keys({ ...was, ...is })
    .map((id) => ({ id, from: was[id] ?? '0', to: is[id] ?? '0' }))
    .filter(({ from, to }) => Number(from) !== Number(to))
}
