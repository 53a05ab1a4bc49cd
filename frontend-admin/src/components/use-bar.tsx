import { Box, Progress, Text } from '@mantine/core'
import { percent } from '@/lib/format'

/**
 * How much of a limit is used: 1 = all of it. The words beside the bar say the same as its color.
 */
export function UseBar({ used, label }: { used: number | null; label: string }) {
  if (used === null || !Number.isFinite(used)) {
    return (
      <Text span fz="xs" c="dimmed">
        not measured
      </Text>
    )
  }
  const color = used >= 1 ? 'red' : used >= 0.8 ? 'yellow' : 'ink'
  const word = used >= 1 ? ' · reached' : used >= 0.8 ? ' · close' : ''
  return (
    <Box miw={110}>
      <Progress.Root size="sm">
        <Progress.Section
          value={Math.min(100, Math.max(0, used * 100))}
          color={color}
          aria-label={label}
          aria-valuetext={`${percent(used, 0)} of the limit${word}`}
        />
      </Progress.Root>
      <Text fz="xs" c="dimmed" ta="right">
        {percent(used, 0)}
        {word}
      </Text>
    </Box>
  )
}
