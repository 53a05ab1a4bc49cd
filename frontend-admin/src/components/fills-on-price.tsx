import { $accounts } from '@/api/client'
import { useMay } from '@/lib/session'
import { FillsChart } from './curve-chart'
import type { FillsProps } from './fills-canvas'

/** On both sides of what is drawn, to see what came before and after. */
const AROUND_MS = 30 * 60_000
const OLD_MS = 10_000

interface Traded extends Omit<FillsProps, 'prices'> {
  accountId: string
  instrumentKey: string
}

/** Fills on what their account's broker said of the price around them, as far as that is kept. */
export function FillsOnPrice({ accountId, instrumentKey, ...chart }: Traded) {
  const mayRead = useMay('READ')
  const times = chart.fills.map((fill) => Date.parse(fill.at))
  const first = new Date(Math.min(...times) - AROUND_MS).toISOString()
  const to = new Date(Math.max(...times) + AROUND_MS).toISOString()
  const { data } = $accounts.useQuery(
    'get',
    '/api/v1/accounts/{account_id}/prices',
    {
      params: {
        path: { account_id: accountId },
        query: { instrument_key: instrumentKey, from: first, to },
      },
    },
    { enabled: mayRead && times.length > 0, staleTime: OLD_MS },
  )
  return <FillsChart {...chart} prices={data?.points} />
}
