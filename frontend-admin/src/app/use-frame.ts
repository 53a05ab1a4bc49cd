import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'

export type Frame = components['schemas']['Frame']

/** What the top bar says; of investors and developers only as much as is theirs. */
export function useFrame() {
  return $dashboards.useQuery('get', '/api/v1/frame', {}, { refetchInterval: 10_000 })
}
