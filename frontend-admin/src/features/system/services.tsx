import { Anchor, SimpleGrid, Stack, Text } from '@mantine/core'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { amount, duration, words } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'
import { LogTail } from './log-tail'
import { Readiness } from './readiness'

type System = components['schemas']['System']
type Service = components['schemas']['ServiceRow']

/** Processes, what waits between them, and whether each account is ready to trade. */
export function Services() {
  const system = $dashboards.useQuery('get', '/api/v1/system', undefined, {
    refetchInterval: 10_000,
  })
  return (
    <Loaded query={system} what="The system" rows={14}>
      {(found) => (
        <Stack gap="md">
          <Panel title="Processes">
            <Processes services={found.services} />
          </Panel>
          <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
            <Panel title="Queues">
              <Queues system={found} />
            </Panel>
            <Panel title="Readiness">
              <Readiness checks={found.checks} accounts={found.accounts} />
            </Panel>
          </SimpleGrid>
          <Text fz="xs" c="dimmed">
            as of <TimeText at={found.generated_at} />
            {found.started_at && (
              <>
                {' '}
                · started <TimeText at={found.started_at} />
              </>
            )}
          </Text>
        </Stack>
      )}
    </Loaded>
  )
}

function Processes({ services }: { services: readonly Service[] }) {
  const [log, setLog] = useUrlState('log')
  if (services.length === 0)
    return <Empty command="python3 scripts/status.py">No process has said how it is.</Empty>
  return (
    <>
      <SmallTable
        label="processes"
        rows={services}
        keyOf={(row) => row.name}
        columns={[
          { name: 'name', title: 'Process', cell: (row) => row.name },
          {
            name: 'state',
            title: 'State',
            cell: (row) => (
              <>
                <StatusBadge status={row.state} />{' '}
                {row.detail && (
                  <Text span fz="xs" c="dimmed">
                    {row.detail}
                  </Text>
                )}
              </>
            ),
          },
          {
            name: 'uptime',
            title: 'Up for',
            numeric: true,
            cell: (row) => uptime(row.uptime_s),
          },
          {
            name: 'memory',
            title: 'Memory, MB',
            numeric: true,
            cell: (row) => amount(row.memory_mb, 0),
          },
          {
            name: 'restarts',
            title: 'Restarts',
            numeric: true,
            cell: (row) => row.restarts ?? '–',
          },
          {
            name: 'version',
            title: 'Version',
            cell: (row) => row.version ?? '–',
            wide: true,
          },
          {
            name: 'log',
            title: 'Log',
            cell: (row) =>
              row.log ? (
                <Anchor component="button" type="button" fz="sm" onClick={() => setLog(row.name)}>
                  Last lines
                </Anchor>
              ) : (
                '–'
              ),
          },
        ]}
      />
      <LogTail service={log} close={() => setLog(null)} />
    </>
  )
}

function Queues({ system }: { system: System }) {
  return (
    <SmallTable
      label="queues"
      rows={system.queues}
      keyOf={(queue) => queue.name}
      tone={(queue) => (queue.overdue > 0 ? 'var(--mantine-color-yellow-light)' : undefined)}
      columns={[
        { name: 'name', title: 'Queue', cell: (queue) => words(queue.name) },
        { name: 'waiting', title: 'Waiting', numeric: true, cell: (queue) => queue.waiting },
        {
          name: 'overdue',
          title: 'Too long',
          numeric: true,
          cell: (queue) => (queue.overdue > 0 ? `⚠ ${queue.overdue}` : '0'),
        },
        {
          name: 'oldest',
          title: 'Oldest',
          cell: (queue) => (queue.oldest_at ? <TimeText at={queue.oldest_at} /> : '–'),
        },
      ]}
    />
  )
}

function uptime(seconds: number | null | undefined): string {
  if (seconds == null) return '–'
  const hours = seconds / 3600
  return hours < 48 ? duration(seconds * 1000) : `${Math.floor(hours / 24)} d`
}
