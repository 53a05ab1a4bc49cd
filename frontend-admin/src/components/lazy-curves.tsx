import { Skeleton } from '@mantine/core'
import { lazy, Suspense } from 'react'
import type { Curve } from './curve-chart'

const CurveChart = lazy(() => import('./curve-chart'))

/** The curve chart, whose library comes only where a chart is seen. */
export function Curves(props: { label: string; curves: Curve[]; height?: number }) {
  return (
    <Suspense fallback={<Skeleton h={(props.height ?? 280) + 22} />}>
      <CurveChart {...props} />
    </Suspense>
  )
}
