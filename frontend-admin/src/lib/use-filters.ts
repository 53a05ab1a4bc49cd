import { useMemo } from 'react'
import { useSearchParams } from 'react-router'

/** Those parameters of the address that are set, by their names. */
export function useFilters<Name extends string>(
  names: readonly Name[],
): { [name in Name]?: string } {
  const [params] = useSearchParams()
  const text = names.map((name) => params.get(name) ?? '').join('\n')
  return useMemo(() => {
    const values = text.split('\n')
    const set = names.map((name, place) => [name, values[place]] as const)
    return Object.fromEntries(set.filter(([, value]) => value)) as { [name in Name]?: string }
  }, [names, text])
}

/** Where the same list is as a file, with the same filters. */
export function csvHref(path: string, filters: Record<string, string | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value)
  const text = query.toString()
  return text ? `${path}?${text}` : path
}
