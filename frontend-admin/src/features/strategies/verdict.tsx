import { Text } from '@mantine/core'
import { $portfolio } from '@/api/client'
import { StatusBadge } from '@/components/status-badge'

const TEN_MINUTES = 600_000

/** Made of records that change once a night, so it is asked seldom. */
export function useVerdict(strategyId: string, source?: 'backtest' | 'developer_live') {
  return $portfolio.useQuery(
    'get',
    '/api/v1/strategies/{strategy_id}/live-against-claimed',
    {
      params: { path: { strategy_id: strategyId }, query: source ? { source } : undefined },
    },
    { staleTime: TEN_MINUTES, refetchInterval: TEN_MINUTES },
  )
}

/** How the live record compares with what the developer claims, in one word. */
export function VerdictBadge({ strategyId }: { strategyId: string }) {
  const query = useVerdict(strategyId)
  if (query.data) return <StatusBadge status={query.data.verdict} />
  return (
    <Text span fz="xs" c="dimmed" title={query.error ? String(query.error) : undefined}>
      {query.error ? 'no comparison' : '…'}
    </Text>
  )
}
