import { useRef } from 'react'

/** How long a row counts as new: the length of its one fade. */
const FRESH_MS = 1500

/** Tells the rows that have come while one looks; those of the first answer are not new. */
export function useFresh<Row>(
  rows: Row[] | undefined,
  keyOf: (row: Row) => string,
  /** Of what is asked for; another filter brings other rows, and none of them is new. */
  question: string,
): (row: Row) => boolean {
  const seen = useRef<{ question: string; at: Map<string, number> }>({
    question: '',
    at: new Map(),
  })
  if (rows) {
    const first = seen.current.at.size === 0 || seen.current.question !== question
    if (first) seen.current = { question, at: new Map() }
    for (const row of rows) {
      const key = keyOf(row)
      if (!seen.current.at.has(key)) seen.current.at.set(key, first ? 0 : Date.now())
    }
  }
  return (row) => Date.now() - (seen.current.at.get(keyOf(row)) ?? 0) < FRESH_MS
}
