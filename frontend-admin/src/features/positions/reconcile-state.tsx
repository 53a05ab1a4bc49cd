import { Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { exact } from '@/lib/format'
import { plain } from '@/lib/instrument'
import { ago } from '@/lib/time'
import { useNow } from '@/lib/use-now'

type Reconciled = components['schemas']['Reconciled']

/** Whether the broker has what we have: ✓ equal, ✗ ours 100 broker 90, locked. */
export function ReconcileState({ reconciled }: { reconciled: Reconciled | undefined }) {
  const now = useNow()
  const { state, books, broker, sentence, looked_at } = reconciled ?? UNKNOWN
  const title = [sentence, looked_at ? `looked ${ago(looked_at, now)}` : 'nobody has looked yet']
    .filter(Boolean)
    .join(' · ')
  if (state === 'UNKNOWN')
    return (
      <Text span fz="xs" c="dimmed" title={title}>
        not compared
      </Text>
    )
  if (state === 'EQUAL')
    return (
      <span className="up" title={title}>
        ✓ equal
      </span>
    )
  const figures = books != null && broker != null
  return (
    <span className="down" title={title}>
      {state === 'LOCKED' ? '🔒 locked' : '✗'}
      {figures && ` ours ${exact(plain(books))} broker ${exact(plain(broker))}`}
    </span>
  )
}

const UNKNOWN: Reconciled = { state: 'UNKNOWN', sentence: '' }
