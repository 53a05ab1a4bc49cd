import { Text } from '@mantine/core'
import { TimeText } from '@/components/time-text'

/** Of when figures are; old ones are greyed and say so. */
export function AgeText({ at, stale }: { at: string | null | undefined; stale: boolean }) {
  return (
    <Text span fz="sm" className={stale ? 'stale' : undefined}>
      <TimeText at={at} />
      {stale && ', stale'}
    </Text>
  )
}
