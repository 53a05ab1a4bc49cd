import { SegmentedControl } from '@mantine/core'
import { useCallback, useMemo } from 'react'
import type { components } from '@/api/dashboard-creator'
import { CurveChart } from '@/components/curve-chart'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { amount, signedPercent } from '@/lib/format'

type Point = components['schemas']['OverviewPoint']
export type Range = components['schemas']['Range']

export const RANGES: Range[] = ['1D', '1W', '1M', 'YTD', 'ALL']

/** Equity beside what equal weights would have made of the same money; drawdown under it. */
export function EquityCurve({
  curve,
  currency,
  range,
  choose,
}: {
  curve: readonly Point[]
  currency: string
  range: Range
  choose: (range: string) => void
}) {
  const points = useMemo(() => curve.map(pointOf), [curve])
  const format = useCallback((value: number) => amount(value, 0), [])
  const first = curve[0]
  const last = curve.at(-1)
  return (
    <Panel
      title={`Equity and drawdown, ${currency}`}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="range"
          value={range}
          onChange={choose}
          data={RANGES.map((value) => ({ value, label: value === 'ALL' ? 'All' : value }))}
        />
      }
    >
      {first && last && curve.length > 1 ? (
        <CurveChart
          label={`Equity from ${amount(first.equity)} to ${amount(last.equity)} ${currency}, ${signedPercent((last.growth ?? 1) - 1)}, with its drawdown and equal weights beside it`}
          points={points}
          format={format}
          besideName="equal weights"
          belowName="drawdown"
        />
      ) : (
        <Empty>
          {range === '1D'
            ? 'No account has reported today; they are asked every few seconds.'
            : 'A day is in this curve once it is over; 1D shows the one that is going on.'}
        </Empty>
      )}
    </Panel>
  )
}

/** The benchmark in money: the same payments, grown as it has. */
function pointOf(point: Point) {
  const value = Number(point.equity)
  const known = point.growth && point.benchmark != null
  return {
    at: point.at,
    value,
    beside: known ? (value * (point.benchmark ?? 1)) / (point.growth ?? 1) : null,
    below: point.drawdown_ratio == null ? null : -point.drawdown_ratio,
  }
}
