import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo } from 'react'

export interface PageOf<Row> {
  rows: Row[]
  next?: string | null
}

/** Rows that no screen is filled by. */
const FEW = 20

interface Asked<Row> {
  /** As of openapi-react-query: the stream refreshes lists by their path. */
  path: string
  filters: Record<string, unknown>
  load: (before: string | undefined, signal: AbortSignal) => Promise<PageOf<Row>>
  keyOf: (row: Row) => string
}

/**
 * A list of any length, newest first: its head is asked for anew whenever something has happened,
 * what is older is brought page by page as one scrolls, and asked for once.
 */
export function usePages<Row>({ path, filters, load, keyOf }: Asked<Row>) {
  const client = useQueryClient()
  const headKey = ['get', path, filters, 'head']
  const head = useQuery({
    queryKey: headKey,
    queryFn: async ({ signal }) =>
      joined(await load(undefined, signal), client.getQueryData<PageOf<Row>>(headKey), keyOf),
    placeholderData: keepPreviousData,
  })
  const from = head.data?.next ?? null
  const older = useInfiniteQuery({
    queryKey: ['pages', path, filters, from],
    queryFn: ({ pageParam, signal }) => load(pageParam ?? undefined, signal),
    initialPageParam: from,
    getNextPageParam: (page) => page.next ?? null,
    enabled: false,
    staleTime: Number.POSITIVE_INFINITY,
    refetchInterval: false,
  })
  const { data, isFetching, hasNextPage, fetchNextPage } = older
  const rows = useMemo(
    () => [...(head.data?.rows ?? []), ...(data?.pages.flatMap((page) => page.rows) ?? [])],
    [head.data, data],
  )
  const waits = head.isPlaceholderData || from === null || isFetching
  const more = useCallback(() => {
    if (waits || (data !== undefined && !hasNextPage)) return
    // Effects of children come first: the query must have learned where it begins before it is asked.
    queueMicrotask(() => void fetchNextPage({ cancelRefetch: false }))
  }, [waits, data, hasNextPage, fetchNextPage])
  // A page may have few rows, or none, and a next one all the same.
  const few = rows.length < FEW
  useEffect(() => {
    if (few) more()
  }, [few, more])
  return { head, rows, more, complete: from === null || (data !== undefined && !hasNextPage) }
}

/**
 * The new head above what is known already. Rows that have left the span of the head no longer
 * match; where nothing of the old is in it, too much has happened, and the list starts anew.
 */
export function joined<Row>(
  fresh: PageOf<Row>,
  known: PageOf<Row> | undefined,
  keyOf: (row: Row) => string,
): PageOf<Row> {
  if (!known || !fresh.next) return fresh
  const keys = new Set(fresh.rows.map(keyOf))
  const last = known.rows.findLastIndex((row) => keys.has(keyOf(row)))
  if (last < 0) return fresh
  const rest = known.rows.slice(last + 1)
  const rows = [...fresh.rows, ...rest]
  // Where it ends as before, it goes on from where it did: what was read from there stays.
  const same = keyOf(rows.at(-1) as Row) === keyOf(known.rows.at(-1) as Row)
  return same ? { rows, next: known.next } : fresh
}
