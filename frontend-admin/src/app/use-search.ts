import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { dashboards } from '@/api/client'

export interface Found {
  kind: string
  id: string
  title: string
  detail?: string
  /** Path of the page. */
  link: string
}

export function useSearch(asked: string) {
  return useQuery({
    queryKey: ['search', asked],
    queryFn: async ({ signal }) => {
      const params = { query: { q: asked } } as object
      const { data } = await dashboards.GET('/api/v1/search' as '/api/v1/me', { signal, ...params })
      return (data as unknown as { rows: Found[] }).rows
    },
    enabled: asked !== '',
    placeholderData: keepPreviousData,
    refetchInterval: false,
    staleTime: 10_000,
  })
}
