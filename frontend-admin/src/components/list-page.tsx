import { Button, Group, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { csvHref, useFilters } from '@/lib/use-filters'
import { useFresh } from '@/lib/use-fresh'
import { type PageOf, usePages } from '@/lib/use-pages'
import { type Column, DataTable } from './data-table'
import { type Filter, FilterBar, paramOf } from './filter-bar'
import { Loaded } from './states'

interface ListProps<Row> {
  /** What is listed, in words: `signals`. */
  label: string
  /** Of the endpoint, as in OpenAPI; the stream refreshes lists by it. */
  path: string
  filters: Filter[]
  columns: Column<Row>[]
  keyOf: (row: Row) => string
  hrefOf?: (row: Row) => string
  tone?: (row: Row) => string | undefined
  load: (
    query: Record<string, string | undefined>,
    before: string | undefined,
    signal: AbortSignal,
  ) => Promise<PageOf<Row>>
  /** The same list as a file, where there is one. */
  csv?: string
  /** Shown where there is nothing, with and without filters. */
  empty: ReactNode
  /** Asked for besides what the filters say. */
  always?: Record<string, string>
  height?: number | string
}

/** A list of any length: filters in the address, live head, more as one scrolls, export. */
export function ListPage<Row>(props: ListProps<Row>) {
  const { label, path, filters, columns, keyOf, hrefOf, tone, load, csv, empty, height } = props
  const chosen = useFilters(filters.map(paramOf))
  const query = { ...props.always, ...asked(chosen, filters) }
  const question = JSON.stringify(query)
  const { head, rows, more, complete } = usePages<Row>({
    path,
    filters: query,
    load: (before, signal) => load(query, before, signal),
    keyOf,
  })
  const fresh = useFresh(head.isPlaceholderData ? undefined : head.data?.rows, keyOf, question)
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="end" wrap="wrap" gap="xs">
        <FilterBar filters={filters} />
        <Group gap="xs">
          <Text fz="xs" c="dimmed" role="status">
            {head.data && counted(rows.length, complete, label)}
          </Text>
          {csv && (
            <Button variant="default" component="a" href={csvHref(csv, query)} download>
              Export CSV
            </Button>
          )}
        </Group>
      </Group>
      <Loaded query={head} what={label} rows={14}>
        {() =>
          rows.length === 0 && complete ? (
            empty
          ) : (
            <DataTable
              label={label}
              columns={columns}
              rows={rows}
              keyOf={keyOf}
              hrefOf={hrefOf}
              tone={tone}
              fresh={fresh}
              more={more}
              height={height}
            />
          )
        }
      </Loaded>
    </Stack>
  )
}

/** `8 signals`, `1 signal`, `100+ signals`. */
function counted(number: number, complete: boolean, label: string): string {
  if (!complete) return `${number.toLocaleString('en-US')}+ ${label}`
  return `${number.toLocaleString('en-US')} ${number === 1 ? label.replace(/s$/, '') : label}`
}

/** By the names of the endpoint; days of the viewer's zone as times, the last one whole. */
function asked(
  chosen: Record<string, string | undefined>,
  filters: Filter[],
): Record<string, string | undefined> {
  return Object.fromEntries(
    filters.flatMap((filter) => {
      const value = chosen[paramOf(filter)]
      if (value === undefined) return []
      return [[filter.name, filter.type === 'date' ? edgeOf(value, filter.name) : value]]
    }),
  )
}

function edgeOf(day: string, edge: string): string | undefined {
  const at = new Date(`${day}T${edge === 'until' ? '23:59:59.999' : '00:00:00'}`)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}
