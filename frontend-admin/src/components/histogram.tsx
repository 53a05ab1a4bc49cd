import { duration } from '@/lib/format'
import styles from './histogram.module.css'

export interface HistogramBucket {
  from_ms: number
  /** None above the last bound. */
  to_ms: number | null
  count: number
}

/** How often something took how long; empty buckets before the first and after the last go. */
export function Histogram({ label, buckets }: { label: string; buckets: HistogramBucket[] }) {
  const first = buckets.findIndex((bucket) => bucket.count > 0)
  const last = buckets.findLastIndex((bucket) => bucket.count > 0)
  const shown = first < 0 ? [] : buckets.slice(Math.max(0, first - 1), last + 2)
  const most = Math.max(1, ...shown.map((bucket) => bucket.count))
  const all = buckets.reduce((sum, bucket) => sum + bucket.count, 0)
  const from = shown[0]
  const to = shown.at(-1)
  if (!from || !to) return null
  return (
    <div>
      <div
        className={styles.bars}
        role="img"
        aria-label={`${label}: ${all} signals, from ${duration(from.from_ms)} to ${duration(to.to_ms ?? to.from_ms)}`}
      >
        {shown.map((bucket) => (
          <div
            key={bucket.from_ms}
            className={styles.column}
            title={`${spanOf(bucket)}: ${bucket.count}`}
          >
            <div className={styles.bar} style={{ height: `${(bucket.count / most) * 100}%` }} />
          </div>
        ))}
      </div>
      <div className={styles.axis} aria-hidden="true">
        <span>{duration(from.from_ms)}</span>
        <span>{to.to_ms === null ? `over ${duration(to.from_ms)}` : duration(to.to_ms)}</span>
      </div>
    </div>
  )
}

function spanOf({ from_ms, to_ms }: HistogramBucket): string {
  return to_ms === null ? `over ${duration(from_ms)}` : `${duration(from_ms)} to ${duration(to_ms)}`
}
