import { useQueryClient } from '@tanstack/react-query'
import { $dashboards, setCsrfToken } from '@/api/client'

export const ME = '/api/v1/me'

/** Whoever is logged in, as the server shows them to themselves. */
export function useMe() {
  return $dashboards.useQuery('get', ME, {})
}

/** After a change that opened a session anew: the token of before is worth nothing. */
export function useStay(): (csrfToken: string | null | undefined) => Promise<void> {
  const queries = useQueryClient()
  return async (csrfToken) => {
    if (csrfToken) setCsrfToken(csrfToken)
    await queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey.includes(ME) })
  }
}
