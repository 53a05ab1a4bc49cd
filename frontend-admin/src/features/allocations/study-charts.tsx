import '@mantine/charts/styles.css'
import { AreaChart, ScatterChart } from '@mantine/charts'
import { Box } from '@mantine/core'
import type { components } from '@/api/portfolio-builder'
import { amount, percent } from '@/lib/format'
import { day } from '@/lib/time'
import { colorOf } from './types'

type Schemas = components['schemas']

/** What each Sharpe ratio costs in growth. */
export function FrontierChart({ choices }: { choices: Schemas['FrontierChoice'][] }) {
  return (
    <Box role="img" aria-label={`Frontier of ${choices.length} choices between Sharpe and growth`}>
      <ScatterChart
        h={260}
        data={[
          {
            name: 'Choice',
            color: 'ink.6',
            data: choices.map(({ sharpe, growth }) => ({ sharpe, growth })),
          },
        ]}
        dataKey={{ x: 'sharpe', y: 'growth' }}
        xAxisLabel="Sharpe"
        yAxisLabel="Growth a year"
        xAxisProps={{ domain: ['auto', 'auto'] }}
        yAxisProps={{ domain: ['auto', 'auto'] }}
        valueFormatter={{ x: (value) => amount(value), y: (value) => percent(value, 0) }}
      />
    </Box>
  )
}

/** What each window would have given to each strategy. */
export function WeightsChart({ windows }: { windows: Schemas['Window'][] }) {
  const names = [...new Set(windows.flatMap((window) => Object.keys(window.weights)))]
  return (
    <Box role="img" aria-label={`Weights of ${names.join(', ')} in ${windows.length} windows`}>
      <AreaChart
        h={260}
        data={windows.map((window) => ({
          from: day(window.test_first_on),
          ...Object.fromEntries(names.map((name) => [name, window.weights[name] ?? 0])),
        }))}
        dataKey="from"
        type="stacked"
        curveType="stepAfter"
        withDots={false}
        withLegend
        valueFormatter={(value) => percent(value, 0)}
        series={names.map((name, place) => ({ name, color: colorOf(place) }))}
      />
    </Box>
  )
}
