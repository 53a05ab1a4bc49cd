import { Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { duration, words } from '@/lib/format'
import { TimeText } from './time-text'
import styles from './timeline.module.css'

type Stage = components['schemas']['Stage']

const ORDER = ['RECEIVED', 'STANDARDIZED', 'DECIDED', 'SUBMITTED', 'FIRST_FILL', 'COMPLETED']

/** The road of a signal from left to right: when each stage was reached, and who was waited for. */
export function Timeline({
  road,
  working,
  waitingFor = '',
}: {
  road: Stage[]
  /** Whether there is a next stage to come. */
  working: boolean
  waitingFor?: string
}) {
  const slowest = Math.max(...road.map((stage) => stage.since_previous_ms ?? 0))
  const last = ORDER.indexOf(road.at(-1)?.name ?? '')
  const next = working ? ORDER[last + 1] : undefined
  return (
    <ol className={styles.road} aria-label="road of the signal">
      {road.map((stage) => (
        <li
          key={stage.name}
          className={styles.stage}
          // Roots, so that a slow stage does not hide the others.
          style={{ flexGrow: 1 + Math.sqrt(stage.since_previous_ms ?? 0) / 10 }}
          data-slowest={(slowest > 0 && stage.since_previous_ms === slowest) || undefined}
        >
          <div className={styles.line} aria-hidden="true">
            <span className={styles.dot} />
          </div>
          <Text fz="sm" fw={600}>
            {words(stage.name)}
          </Text>
          <Text fz="xs" c="dimmed">
            <TimeText at={stage.at} relative={false} /> · +{duration(stage.since_arrival_ms)}
          </Text>
          {stage.since_previous_ms !== null && (
            <Text fz="xs" className={styles.wait}>
              {duration(stage.since_previous_ms)}
              {stage.waited_for && ` for ${stage.waited_for}`}
            </Text>
          )}
        </li>
      ))}
      {next && (
        <li className={styles.stage} style={{ flexGrow: 1 }}>
          <div className={styles.line} aria-hidden="true">
            <span className={styles.dot} data-missing />
          </div>
          <Text fz="sm" c="dimmed">
            {words(next)}
          </Text>
          <Text fz="xs" c="dimmed">
            {waitingFor ? `waiting for ${waitingFor}` : 'not yet'}
          </Text>
        </li>
      )}
    </ol>
  )
}
