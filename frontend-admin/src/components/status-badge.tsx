import { Badge } from '@mantine/core'
import { words } from '@/lib/format'

type Tone = 'good' | 'working' | 'warning' | 'bad' | 'quiet'

const COLORS: Record<Tone, string> = {
  good: 'green',
  working: 'blue',
  warning: 'yellow',
  bad: 'red',
  quiet: 'gray',
}

/** What each word of the system means to the eye; a word that is not here is quiet. */
const TONES: Record<string, Tone> = {
  ACTIVE: 'good',
  FILLED: 'good',
  COMPLETED: 'good',
  APPROVED: 'good',
  DONE: 'good',
  EQUAL: 'good',
  CLEARED: 'quiet',
  GREEN: 'good',
  UP: 'good',
  WORKING: 'working',
  SUBMITTED: 'working',
  SUBMITTING: 'working',
  PENDING: 'working',
  PARTIALLY_FILLED: 'working',
  RUNNING: 'working',
  RECEIVED: 'working',
  STANDARDIZED: 'working',
  DECIDED: 'working',
  QUEUED: 'working',
  SHADOW: 'working',
  RESIZED: 'warning',
  REDUCING: 'warning',
  WAITING: 'warning',
  CANCEL_PENDING: 'warning',
  FAILING: 'warning',
  AMBER: 'warning',
  STALE: 'warning',
  RESTARTING: 'warning',
  DENIED: 'bad',
  REJECTED: 'bad',
  UNKNOWN: 'bad',
  HALTED: 'bad',
  QUARANTINED: 'bad',
  DEAD: 'bad',
  OPEN: 'bad',
  DIFFERS: 'bad',
  LOCKED: 'bad',
  RED: 'bad',
  DOWN: 'bad',
  FAILED: 'bad',
}

export function StatusBadge({ status }: { status: string | null | undefined }) {
  if (!status) return null
  return (
    <Badge
      size="sm"
      radius="sm"
      variant="light"
      color={COLORS[TONES[status] ?? 'quiet']}
      title={status}
      miw="max-content"
    >
      {words(status)}
    </Badge>
  )
}
