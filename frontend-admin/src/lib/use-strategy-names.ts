import { $portfolio } from '@/api/client'

/** Names to choose from; none while they are not known, then a filter has to be typed. */
export function useStrategyNames(): string[] {
  const { data } = $portfolio.useQuery('get', '/api/v1/strategies', undefined, {
    staleTime: 300_000,
    refetchInterval: false,
  })
  return data?.strategies.map((strategy) => strategy.strategy_id) ?? []
}
