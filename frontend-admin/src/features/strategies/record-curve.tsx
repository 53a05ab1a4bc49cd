import { Group, SegmentedControl } from '@mantine/core'
import { useMemo } from 'react'
import { $portfolio } from '@/api/client'
import { CurveChart } from '@/components/curve-chart'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { curveOf, spoken } from '@/lib/curves'
import { times } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'
import { SOURCES } from './types'

const SPANS: Record<string, number | null> = { '3M': 92, '1Y': 366, '3Y': 1097, All: null }

/** What 1 has become, and the drawdown below it. */
export function RecordCurve({ strategyId, sources }: { strategyId: string; sources: string[] }) {
  const [asked, setSource] = useUrlState('source', sources[0])
  const [span, setSpan] = useUrlState('span', 'All')
  const source = sources.includes(asked) ? asked : (sources[0] ?? '')
  const query = $portfolio.useQuery(
    'get',
    '/api/v1/strategies/{strategy_id}/records/{source}',
    {
      params: { path: { strategy_id: strategyId, source }, query: { from: sinceOf(span) } },
    },
    { refetchInterval: false },
  )
  return (
    <Panel
      title="Equity and drawdown"
      actions={
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label="Record"
            data={sources.map((each) => ({ value: each, label: SOURCES[each] ?? each }))}
            value={source}
            onChange={setSource}
          />
          <SegmentedControl
            size="xs"
            aria-label="Range"
            data={Object.keys(SPANS)}
            value={span in SPANS ? span : 'All'}
            onChange={setSpan}
          />
        </Group>
      }
    >
      <Loaded query={query} what="The record" rows={10}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty>There are no days in this range: choose a longer one.</Empty>
          ) : (
            <Drawn strategyId={strategyId} rows={rows} />
          )
        }
      </Loaded>
    </Panel>
  )
}

function Drawn({
  strategyId,
  rows,
}: {
  strategyId: string
  rows: { date: string; return: string }[]
}) {
  const points = useMemo(
    () => curveOf(rows.map((row) => ({ at: row.date, value: Number(row.return) }))),
    [rows],
  )
  return (
    <CurveChart
      label={`What 1 became by the record of ${strategyId}, ${spoken(points, times)}`}
      points={points}
      format={times}
      belowName="Drawdown"
    />
  )
}

function sinceOf(span: string): string | undefined {
  const days = SPANS[span]
  if (!days) return undefined
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
}
