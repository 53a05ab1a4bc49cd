import { $dashboards } from '@/api/client'

/** Whether money is real; until it is known, it is taken to be. */
export function useRealMoney(): boolean {
  const { data } = $dashboards.useQuery('get', '/api/v1/frame')
  return data?.environment !== 'PAPER'
}
