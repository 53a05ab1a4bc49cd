import '@mantine/charts/styles.css'
import { AreaChart } from '@mantine/charts'
import { Box } from '@mantine/core'
import { percent } from '@/lib/format'
import { type Allocation, colorOf } from './types'

/** What each strategy was given, version after version. */
export default function HistoryChart({ versions }: { versions: Allocation[] }) {
  const oldest = [...versions].reverse()
  const names = [
    ...new Set(oldest.flatMap((each) => each.allocations.map((row) => row.strategy_id))),
  ]
  const rows = oldest.map((each) => ({
    version: `v${each.version}`,
    ...Object.fromEntries(names.map((name) => [name, 0])),
    ...Object.fromEntries(each.allocations.map((row) => [row.strategy_id, Number(row.ratio)])),
  }))
  return (
    <Box role="img" aria-label={`Allocation of ${names.join(', ')} over ${rows.length} versions`}>
      <AreaChart
        h={240}
        data={rows}
        dataKey="version"
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
