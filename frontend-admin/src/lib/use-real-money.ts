import { $dashboards } from '@/api/client'

/** Whether real money moves, where money moves at all; until that is known, it is taken to be. */
export function useRealMoney(moves: boolean): boolean {
  const { data } = $dashboards.useQuery('get', '/api/v1/frame', {}, { enabled: moves })
  return moves && data?.environment !== 'PAPER'
}
