import { keepPreviousData } from '@tanstack/react-query'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'

export type Found = components['schemas']['SearchHit']

const PLACES: Record<Found['kind'], (id: string) => string> = {
  SIGNAL: (id) => `/signals/${id}`,
  ORDER: (id) => `/orders/${id}`,
  STRATEGY: (id) => `/strategies/${id}`,
  ACCOUNT: (id) => `/accounts/${id}`,
  INSTRUMENT: (id) => `/positions?by=instrument&instrument=${id}`,
}

/** The page of what was found. */
export function pageOf(found: Found): string {
  return PLACES[found.kind](encodeURIComponent(found.hit_id))
}

export function useSearch(asked: string) {
  return $dashboards.useQuery(
    'get',
    '/api/v1/search',
    { params: { query: { q: asked } } },
    {
      enabled: asked !== '',
      placeholderData: keepPreviousData,
      refetchInterval: false,
      staleTime: 10_000,
    },
  )
}
