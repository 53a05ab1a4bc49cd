import { useCallback } from 'react'
import { useSearchParams } from 'react-router'

/** One filter that lives in the address, so that what is seen can be sent to somebody. */
export function useUrlState(
  name: string,
  otherwise = '',
): [string, (value: string | null) => void] {
  const [params, setParams] = useSearchParams()
  const set = useCallback(
    (value: string | null) => {
      setParams(
        (before) => {
          const after = new URLSearchParams(before)
          if (value === null || value === '' || value === otherwise) after.delete(name)
          else after.set(name, value)
          return after
        },
        { replace: true },
      )
    },
    [name, otherwise, setParams],
  )
  return [params.get(name) ?? otherwise, set]
}
