import { SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core'
import { keepPreviousData } from '@tanstack/react-query'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Histogram } from '@/components/histogram'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { duration, words } from '@/lib/format'
import { when } from '@/lib/time'
import { useNow } from '@/lib/use-now'
import { useUrlState } from '@/lib/use-url-state'

type Stage = components['schemas']['StageLatency']

const SPANS = [
  { value: '1', label: '1 hour' },
  { value: '24', label: '1 day' },
  { value: '168', label: '1 week' },
  { value: '720', label: '1 month' },
]

/** How long signals take, stage by stage: percentiles, and how they are spread. */
export function Latency() {
  const now = useNow()
  const [said, setHours] = useUrlState('hours', '24')
  const hours = SPANS.some((span) => span.value === said) ? said : '24'
  const latency = $dashboards.useQuery(
    'get',
    '/api/v1/latency',
    { params: { query: { hours: Number(hours) } } },
    { placeholderData: keepPreviousData },
  )
  return (
    <Stack gap="md">
      <SegmentedControl
        size="xs"
        aria-label="over"
        value={hours}
        onChange={setHours}
        data={SPANS}
        style={{ alignSelf: 'start' }}
      />
      <Loaded query={latency} what="Latency" rows={10}>
        {({ stages, signals, since, until }) =>
          signals === 0 ? (
            <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --follow">
              No signal arrived in this time; the minute that is going on is counted once it is
              over.
            </Empty>
          ) : (
            <>
              <Text fz="xs" c="dimmed">
                {signals.toLocaleString('en-US')} signals from {when(since, now)} to{' '}
                {when(until, now)}
              </Text>
              <Panel title="Percentiles">
                <Percentiles stages={stages} />
              </Panel>
              <SimpleGrid cols={{ base: 1, sm: 2, xl: 3 }} spacing="md">
                {stages
                  .filter((stage) => stage.count > 0)
                  .map((stage) => (
                    <Panel key={stage.stage} title={words(stage.name)}>
                      <Histogram label={stage.name} buckets={stage.histogram} />
                    </Panel>
                  ))}
              </SimpleGrid>
            </>
          )
        }
      </Loaded>
    </Stack>
  )
}

function Percentiles({ stages }: { stages: Stage[] }) {
  const figure = (title: string, of: (stage: Stage) => number | null) => ({
    name: title,
    title,
    numeric: true,
    cell: (stage: Stage) => duration(of(stage)),
  })
  return (
    <SmallTable
      label="percentiles"
      rows={stages}
      keyOf={(stage) => stage.stage}
      columns={[
        { name: 'stage', title: 'Stage', cell: (stage) => words(stage.name) },
        {
          name: 'count',
          title: 'Signals',
          numeric: true,
          cell: (stage) => stage.count.toLocaleString('en-US'),
        },
        figure('Half below', (stage) => stage.p50_ms),
        figure('95 % below', (stage) => stage.p95_ms),
        figure('99 % below', (stage) => stage.p99_ms),
        figure('At most', (stage) => stage.max_ms),
      ]}
    />
  )
}
