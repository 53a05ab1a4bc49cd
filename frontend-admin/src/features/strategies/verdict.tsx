import { Text } from '@mantine/core'
import { $portfolio } from '@/api/client'
import { StatusBadge } from '@/components/status-badge'

const TEN_MINUTES = 600_000
type Claim = 'backtest' | 'developer_live'

/** Which records there are; the comparison is asked only where something can be compared. */
export function useRecords(strategyId: string) {
  return $portfolio.useQuery(
    'get',
    '/api/v1/strategies/{strategy_id}/records',
    { params: { path: { strategy_id: strategyId } } },
    { staleTime: 60_000 },
  )
}

/** Live against a claim, the first that there is; made of records that change once a night. */
export function useVerdict(strategyId: string, asked?: Claim) {
  const records = useRecords(strategyId)
  const claims = (records.data?.sources ?? []).map((each) => each.source)
  const claim =
    asked ?? (['backtest', 'developer_live'] as const).find((each) => claims.includes(each))
  const there = claim !== undefined && claims.includes(claim)
  const query = $portfolio.useQuery(
    'get',
    '/api/v1/strategies/{strategy_id}/live-against-claimed',
    { params: { path: { strategy_id: strategyId }, query: { source: claim } } },
    { staleTime: TEN_MINUTES, refetchInterval: TEN_MINUTES, enabled: there },
  )
  return { query, claims, missing: records.isSuccess && !there }
}

/** How the live record compares with what the developer claims, in one word. */
export function VerdictBadge({ strategyId }: { strategyId: string }) {
  const { query, missing } = useVerdict(strategyId)
  if (query.data) return <StatusBadge status={query.data.verdict} />
  return (
    <Text span fz="xs" c="dimmed">
      {missing ? 'no claim' : query.error ? 'not known' : '…'}
    </Text>
  )
}
