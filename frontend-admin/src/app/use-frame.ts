import { useQuery } from '@tanstack/react-query'
import { dashboards } from '@/api/client'

export interface Frame {
  environment: 'PAPER' | 'LIVE'
  trading_state: 'ACTIVE' | 'REDUCING' | 'HALTED'
  sentence: string
  equity: string | null
  today_pnl: string | null
  currency: string | null
  as_of: string | null
  age_s: number | null
  stale: boolean
  oldest_account: string | null
  missing: string
  incidents: number
  dead_letters: number
  approvals: number
  server_time: string
}

/** What the top bar says; of investors and developers only as much as is theirs. */
export function useFrame() {
  return useQuery({
    queryKey: ['get', '/api/v1/frame', {}],
    queryFn: async ({ signal }) => {
      const { data } = await dashboards.GET('/api/v1/frame' as '/api/v1/me', { signal })
      return data as unknown as Frame
    },
    refetchInterval: 10_000,
  })
}
