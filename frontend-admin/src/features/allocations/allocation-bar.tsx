import { Box, Text } from '@mantine/core'
import { numberOf, percent } from '@/lib/format'
import { cssColorOf } from './types'

/** All strategies on one line, against 100 % of the equity and the cap of the total. */
export function AllocationBar({
  rows,
  cap,
}: {
  rows: { strategy_id: string; ratio: string }[]
  cap?: string | null
}) {
  const total = rows.reduce((sum, row) => sum + Number(row.ratio), 0)
  const limit = numberOf(cap)
  const whole = Math.max(1, total, limit ?? 0)
  const mark = (ratio: number, text: string) => (
    <Box
      style={{
        position: 'absolute',
        left: `${(ratio / whole) * 100}%`,
        top: -2,
        height: 30,
        borderLeft: '2px solid var(--mantine-color-text)',
      }}
    >
      <Text
        fz="xs"
        c="dimmed"
        style={{ position: 'absolute', top: 30, right: 0, whiteSpace: 'nowrap' }}
      >
        {text}
      </Text>
    </Box>
  )
  return (
    <Box
      pos="relative"
      mb={18}
      role="img"
      aria-label={rows.map((row) => `${row.strategy_id} ${percent(row.ratio)}`).join(', ')}
    >
      <Box
        style={{ display: 'flex', height: 26, background: 'var(--mantine-color-default-hover)' }}
      >
        {rows.map((row, place) => (
          <Box
            key={row.strategy_id}
            title={`${row.strategy_id} ${percent(row.ratio)}`}
            style={{
              width: `${(Number(row.ratio) / whole) * 100}%`,
              background: cssColorOf(place),
              borderRight: '1px solid var(--mantine-color-body)',
            }}
          />
        ))}
      </Box>
      {mark(1, '100 %')}
      {limit !== null && limit !== 1 && mark(limit, `cap ${percent(limit, 0)}`)}
    </Box>
  )
}
