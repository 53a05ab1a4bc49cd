import '@mantine/charts/styles.css'
import { DonutChart } from '@mantine/charts'
import { Box } from '@mantine/core'
import { percent } from '@/lib/format'
import { colorOf } from './types'

/** Shares of a whole; the table beside it has the figures. */
export default function ShareDonut({ rows }: { rows: { strategy_id: string; ratio: string }[] }) {
  const label = rows.map((row) => `${row.strategy_id} ${percent(row.ratio)}`).join(', ')
  return (
    <Box
      role="img"
      aria-label={`Allocation: ${label}`}
      style={{ display: 'grid', placeItems: 'center' }}
    >
      <DonutChart
        size={200}
        thickness={30}
        paddingAngle={1}
        valueFormatter={(value) => percent(value)}
        data={rows.map((row, place) => ({
          name: row.strategy_id,
          value: Number(row.ratio),
          color: colorOf(place),
        }))}
      />
    </Box>
  )
}
