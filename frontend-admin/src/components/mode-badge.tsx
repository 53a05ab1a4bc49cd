import { Badge } from '@mantine/core'

/** Whether real money is meant: LIVE is filled red, PAPER blue, SHADOW only an outline. */
export function ModeBadge({ mode }: { mode: string }) {
  const look = {
    LIVE: { color: 'red', variant: 'filled' },
    PAPER: { color: 'blue', variant: 'light' },
  }[mode] ?? { color: 'gray', variant: 'outline' }
  return (
    <Badge size="sm" radius="sm" {...look}>
      {mode}
    </Badge>
  )
}
