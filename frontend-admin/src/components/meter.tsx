import { percent } from '@/lib/format'
import styles from './meter.module.css'

/** Use of something as a bar, with its limit marked; both are ratios of the same whole. */
export function Meter({
  label,
  used,
  limit,
}: {
  label: string
  used: number | null
  limit?: number | null
}) {
  const whole = Math.max(1, used ?? 0, limit ?? 0)
  const share = (ratio: number) => `${(Math.max(0, ratio) / whole) * 100}%`
  const marked = limit ?? null
  const over = used !== null && marked !== null && used > marked
  const near = used !== null && marked !== null && used > marked * 0.8
  const text = `${label}: ${percent(used)}${marked === null ? '' : ` of ${percent(marked)}`}`
  return (
    <div className={styles.rail} role="img" aria-label={text} title={text}>
      {used !== null && (
        <div
          className={styles.used}
          style={{ width: share(used) }}
          data-near={near || undefined}
          data-over={over || undefined}
        />
      )}
      {marked !== null && <div className={styles.limit} style={{ left: share(marked) }} />}
    </div>
  )
}
