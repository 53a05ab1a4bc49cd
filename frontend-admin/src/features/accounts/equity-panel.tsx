import { SegmentedControl } from '@mantine/core'
import { useMemo } from 'react'
import { $accounts } from '@/api/client'
import { CurveChart } from '@/components/curve-chart'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { drawdownOf, spoken } from '@/lib/curves'
import { amount } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'
import type { Account } from './types'

const SPANS: Record<string, { days: number | null; resolution: 'MINUTE' | 'HOUR' | 'DAY' }> = {
  '1D': { days: 1, resolution: 'MINUTE' },
  '1W': { days: 7, resolution: 'HOUR' },
  '1M': { days: 31, resolution: 'DAY' },
  '1Y': { days: 366, resolution: 'DAY' },
  All: { days: null, resolution: 'DAY' },
}
const MONTH = { days: 31, resolution: 'DAY' } as const

/** The equity of one account, with what was lost since its peak below. */
export function EquityPanel({ account }: { account: Account }) {
  const [span, setSpan] = useUrlState('span', '1M')
  const { days, resolution } = SPANS[span] ?? MONTH
  const query = $accounts.useQuery('get', '/api/v1/accounts/{account_id}/equity', {
    params: {
      path: { account_id: account.account_id },
      query: { resolution, from: days ? startOf(days) : undefined },
    },
  })
  const points = useMemo(() => {
    const found = query.data
    if (!found) return []
    const levels =
      found.points.length > 0
        ? found.points.map((point) => ({ at: point.at, value: Number(point.equity) }))
        : found.days.map((each) => ({ at: each.date, value: Number(each.close) }))
    const under = drawdownOf(levels)
    return levels.map((point, place) => ({ ...point, below: under[place]?.value ?? 0 }))
  }, [query.data])
  return (
    <Panel
      title={`Equity, ${account.currency}`}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Range"
          data={Object.keys(SPANS)}
          value={span}
          onChange={setSpan}
        />
      }
    >
      <Loaded query={query} what="The curve" rows={10}>
        {() =>
          points.length < 2 ? (
            <Empty>
              Too short a past for a curve of this range: choose a shorter one, or come back.
            </Empty>
          ) : (
            <CurveChart
              label={`Equity of ${account.account_id}, ${spoken(points, money)}`}
              points={points}
              format={money}
              belowName="Drawdown"
            />
          )
        }
      </Loaded>
    </Panel>
  )
}

const money = (value: number) => amount(value)

/** At a whole hour (a day for long spans), so that the question stays the same while one looks. */
function startOf(days: number): string {
  const whole = days > 7 ? 86_400_000 : 3_600_000
  return new Date(Math.floor(Date.now() / whole) * whole - days * 86_400_000).toISOString()
}
