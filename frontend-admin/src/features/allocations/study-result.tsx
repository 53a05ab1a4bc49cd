import { SimpleGrid, Skeleton, Stack, Table, Text } from '@mantine/core'
import { lazy, Suspense, useMemo } from 'react'
import { CurveChart } from '@/components/curve-chart'
import { Panel } from '@/components/panel'
import { drawdownOf, spoken } from '@/lib/curves'
import { amount, percent, signedPercent, times, words } from '@/lib/format'
import { HeatMap } from './heat-map'
import type { StudyFigures, StudyResult } from './types'

const Charts = {
  Frontier: lazy(async () => ({ default: (await import('./study-charts')).FrontierChart })),
  Weights: lazy(async () => ({ default: (await import('./study-charts')).WeightsChart })),
}

/** What a study found: the frontier, weights by window, and what they were worth later. */
export function StudyResultView({ result }: { result: StudyResult }) {
  const walked = result.walk_forward
  return (
    <Stack gap="md">
      <SampleTable result={result} />
      {walked && <OutOfSample result={result} />}
      <SimpleGrid cols={{ base: 1, md: result.proposed.frontier.length > 0 ? 2 : 1 }}>
        {result.proposed.frontier.length > 0 && (
          <Panel title="Frontier">
            <Suspense fallback={<Skeleton h={260} />}>
              <Charts.Frontier choices={result.proposed.frontier} />
            </Suspense>
          </Panel>
        )}
        {walked && walked.windows.length > 0 && (
          <Panel title="Weights by window">
            <Suspense fallback={<Skeleton h={260} />}>
              <Charts.Weights windows={walked.windows} />
            </Suspense>
          </Panel>
        )}
      </SimpleGrid>
      <Panel title="Correlation">
        <HeatMap
          names={result.strategies.map((each) => each.strategy_id)}
          values={result.correlation}
        />
      </Panel>
    </Stack>
  )
}

function SampleTable({ result }: { result: StudyResult }) {
  const rows: [string, StudyFigures | null | undefined][] = [
    ['In sample, proposed', result.proposed.in_sample],
    ...(result.walk_forward?.tracks ?? []).map((track): [string, StudyFigures] => [
      `Out of sample, ${words(track.portfolio).toLowerCase()}`,
      track.figures,
    ]),
  ]
  return (
    <Panel title="In and out of sample">
      <Table.ScrollContainer minWidth={620}>
        <Table aria-label="Figures in and out of sample">
          <Table.Thead>
            <Table.Tr>
              <Table.Th />
              <Table.Th ta="right">A year</Table.Th>
              <Table.Th ta="right">Volatility</Table.Th>
              <Table.Th ta="right">Sharpe</Table.Th>
              <Table.Th ta="right">Drawdown</Table.Th>
              <Table.Th ta="right">Worst month</Table.Th>
              <Table.Th ta="right">Days</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(([name, figures]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row">{name}</Table.Th>
                <Table.Td ta="right">{signedPercent(figures?.cagr_ratio)}</Table.Td>
                <Table.Td ta="right">{percent(figures?.volatility_ratio)}</Table.Td>
                <Table.Td ta="right">{amount(figures?.sharpe)}</Table.Td>
                <Table.Td ta="right">{percent(figures?.drawdown?.ratio)}</Table.Td>
                <Table.Td ta="right">{signedPercent(figures?.worst_month_ratio)}</Table.Td>
                <Table.Td ta="right">{amount(figures?.days, 0)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {result.proposed.binding.length > 0 && (
        <Text fz="sm" c="dimmed">
          Held back by: {result.proposed.binding.join(', ')}
        </Text>
      )}
    </Panel>
  )
}

function OutOfSample({ result }: { result: StudyResult }) {
  const points = useMemo(() => {
    const dates = result.walk_forward?.dates ?? []
    const of = (portfolio: string) =>
      result.walk_forward?.tracks.find((track) => track.portfolio === portfolio)?.equity ?? []
    const [method, equal] = [of('METHOD'), of('EQUAL_WEIGHT')]
    const levels = dates.flatMap((at, place) => {
      const value = method[place]
      return value === undefined ? [] : [{ at, value, beside: equal[place] ?? null }]
    })
    const under = drawdownOf(levels, 1)
    return levels.map((point, place) => ({ ...point, below: under[place]?.value ?? 0 }))
  }, [result])
  if (points.length < 2) return null
  return (
    <Panel title="On days that it had not seen">
      <CurveChart
        label={`What 1 became out of sample, ${spoken(points, times)}; equal weight beside it`}
        points={points}
        format={times}
        besideName="Equal weight"
        belowName="Drawdown"
      />
    </Panel>
  )
}
