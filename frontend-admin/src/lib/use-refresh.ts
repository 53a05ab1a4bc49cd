import { useQueryClient } from '@tanstack/react-query'
import { useCallback } from 'react'

/** Ask again for everything below these paths: after something there has changed. */
export function useRefresh(): (...prefixes: string[]) => Promise<void> {
  const queries = useQueryClient()
  return useCallback(
    (...prefixes) =>
      queries.invalidateQueries({
        predicate: ({ queryKey }) =>
          queryKey.some(
            (part) =>
              typeof part === 'string' && prefixes.some((prefix) => part.startsWith(prefix)),
          ),
      }),
    [queries],
  )
}
