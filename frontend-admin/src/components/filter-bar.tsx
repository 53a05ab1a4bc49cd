import { Button, Group, Select, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { useEffect, useState } from 'react'
import { useSearchParams } from 'react-router'
import { useUrlState } from '@/lib/use-url-state'

export interface Filter {
  /** As the endpoint calls it. */
  name: string
  /** In the address, where it must not be mixed up with that of another list of the page. */
  param?: string
  label: string
  /** To choose from; without it, text is typed. */
  options?: (string | { value: string; label: string })[]
  type?: 'text' | 'date'
  width?: number
}

export function paramOf(filter: Filter): string {
  return filter.param ?? filter.name
}

/** Filters that live in the address: what is seen can be sent to somebody. */
export function FilterBar({ filters }: { filters: Filter[] }) {
  const [params, setParams] = useSearchParams()
  const any = filters.some((filter) => params.has(paramOf(filter)))
  function clear() {
    setParams(
      (before) => {
        const after = new URLSearchParams(before)
        for (const filter of filters) after.delete(paramOf(filter))
        return after
      },
      { replace: true },
    )
  }
  return (
    <Group gap="xs" align="end" role="search" aria-label="filters">
      {filters.map((filter) =>
        filter.options ? (
          <Choice key={filter.name} filter={filter} />
        ) : (
          <Typed key={filter.name} filter={filter} />
        ),
      )}
      {any && (
        <Button variant="subtle" onClick={clear}>
          Clear filters
        </Button>
      )}
    </Group>
  )
}

function Choice({ filter }: { filter: Filter }) {
  const [value, set] = useUrlState(paramOf(filter))
  return (
    <Select
      label={filter.label}
      w={filter.width ?? 150}
      data={filter.options}
      value={value || null}
      onChange={set}
      placeholder="any"
      clearable
      searchable={(filter.options?.length ?? 0) > 8}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
    />
  )
}

/** Asks when the typing rests, not at every key. */
function Typed({ filter }: { filter: Filter }) {
  const [value, set] = useUrlState(paramOf(filter))
  const [text, setText] = useState(value)
  const later = useDebouncedCallback(set, 300)
  useEffect(() => setText(value), [value])
  return (
    <TextInput
      label={filter.label}
      type={filter.type ?? 'text'}
      w={filter.width ?? 150}
      value={text}
      placeholder="any"
      onChange={(event) => {
        setText(event.currentTarget.value)
        later(event.currentTarget.value.trim())
      }}
    />
  )
}
