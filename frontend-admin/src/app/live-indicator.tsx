import { Group, Text, Tooltip } from '@mantine/core'
import { when } from '@/lib/time'
import { useLive } from '@/lib/use-live'
import { useNow } from '@/lib/use-now'
import styles from './shell.module.css'

const COLORS = { connected: 'green.7', connecting: 'gray.5', cut: 'orange.7' }

/** Whether what one sees is of now; if not, of when. */
export function LiveIndicator() {
  const { state, heardAt } = useLive()
  const now = useNow(2_000)
  const heard = heardAt ? when(new Date(heardAt).toISOString(), now) : null
  const long =
    state === 'connected'
      ? 'Live: changes appear as they happen'
      : state === 'connecting'
        ? 'Connecting'
        : `The live line is cut; asking every 10 s instead. ${heard ? `Last heard at ${heard}.` : ''}`
  const words =
    state === 'connected' ? 'Live' : state === 'connecting' ? 'Connecting' : 'Reconnecting'
  const color = `var(--mantine-color-${COLORS[state].replace('.', '-')})`
  return (
    <Tooltip label={long} multiline maw={260}>
      <Group gap={6} wrap="nowrap" role="status" aria-label={long} tabIndex={0}>
        <span className={styles.dot} style={{ background: color }} />
        <Text fz="xs" visibleFrom="md">
          {state === 'cut' && heard ? `Data from ${heard}` : words}
        </Text>
      </Group>
    </Tooltip>
  )
}
