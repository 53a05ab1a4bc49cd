import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { CurveProps } from './curve-canvas'
import type { FillsProps } from './fills-canvas'

const CurveCanvas = lazy(async () => ({ default: (await import('./curve-canvas')).CurveCanvas }))
const FillsCanvas = lazy(async () => ({ default: (await import('./fills-canvas')).FillsCanvas }))

/** A curve over time, with what lies below it; drawn by a chunk that comes when one is shown. */
export function CurveChart(props: CurveProps) {
  return (
    <Suspense fallback={<Skeleton h={props.height ?? 320} />}>
      <CurveCanvas {...props} />
    </Suspense>
  )
}

/** Fills on the price. */
export function FillsChart(props: FillsProps) {
  return (
    <Suspense fallback={<Skeleton h={260} />}>
      <FillsCanvas {...props} />
    </Suspense>
  )
}
