import { Text } from '@mantine/core'
import { ago, utc, when } from '@/lib/time'
import { useNow } from '@/lib/use-now'

/** A time: relative under an hour, else the clock; UTC on hover. */
export function TimeText({
  at,
  relative = true,
}: {
  at: string | null | undefined
  relative?: boolean
}) {
  const now = useNow()
  if (!at)
    return (
      <Text span c="dimmed" fz="inherit">
        never
      </Text>
    )
  return (
    <time dateTime={at} title={utc(at)}>
      {relative ? ago(at, now) : when(at, now)}
    </time>
  )
}
