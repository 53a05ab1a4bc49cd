import { Anchor, Box, Table } from '@mantine/core'
import { useVirtualizer } from '@tanstack/react-virtual'
import { type ReactNode, useEffect, useRef } from 'react'
import { Link, useNavigate } from 'react-router'

export interface Column<Row> {
  name: string
  /** In the header; a currency or unit belongs here, once. */
  title: ReactNode
  cell: (row: Row) => ReactNode
  numeric?: boolean
  width?: number | string
  /** Left out where the screen is narrow. */
  wide?: boolean
}

interface DataTableProps<Row> {
  label: string
  columns: Column<Row>[]
  rows: Row[]
  keyOf: (row: Row) => string
  /** Where a row leads; the whole row can be clicked, and its first cell is a link. */
  hrefOf?: (row: Row) => string
  /** Asked for as the end comes near. */
  more?: () => void
  height?: number | string
  /** Rows that have come while one looks fade in once. */
  fresh?: (row: Row) => boolean
  tone?: (row: Row) => string | undefined
}

const ROW_HEIGHT = 34

/** A table of any length: only rows in sight are in the page. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const {
    label,
    columns,
    rows,
    keyOf,
    hrefOf,
    more,
    height = 'calc(100dvh - 260px)',
    fresh,
    tone,
  } = props
  const scroller = useRef<HTMLDivElement>(null)
  const navigate = useNavigate()
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  })
  const shown = virtual.getVirtualItems()
  const last = shown.at(-1)?.index ?? 0
  useEffect(() => {
    if (more && rows.length > 0 && last >= rows.length - 20) more()
  }, [more, last, rows.length])
  const before = shown[0]?.start ?? 0
  const after = virtual.getTotalSize() - (shown.at(-1)?.end ?? 0)

  function open(row: Row) {
    if (hrefOf && !window.getSelection()?.toString()) navigate(hrefOf(row))
  }

  return (
    <Box
      ref={scroller}
      style={{ overflow: 'auto', maxHeight: height }}
      tabIndex={0}
      role="region"
      aria-label={`table of ${label}`}
    >
      <Table highlightOnHover stickyHeader aria-rowcount={rows.length} aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th
                key={column.name}
                w={column.width}
                visibleFrom={column.wide ? 'sm' : undefined}
                ta={column.numeric ? 'right' : undefined}
              >
                {column.title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {before > 0 && <Table.Tr aria-hidden h={before} />}
          {shown.map((place) => {
            const row = rows[place.index]
            if (row === undefined) return null
            return (
              <Table.Tr
                key={keyOf(row)}
                h={ROW_HEIGHT}
                aria-rowindex={place.index + 1}
                className={fresh?.(row) ? 'appears' : undefined}
                bg={tone?.(row)}
                style={hrefOf ? { cursor: 'pointer' } : undefined}
                onClick={hrefOf ? () => open(row) : undefined}
              >
                {columns.map((column, place) => (
                  <Table.Td
                    key={column.name}
                    className="line"
                    ta={column.numeric ? 'right' : undefined}
                    visibleFrom={column.wide ? 'sm' : undefined}
                  >
                    {place === 0 && hrefOf ? (
                      <Anchor
                        component={Link}
                        to={hrefOf(row)}
                        fz="inherit"
                        onClick={(event) => event.stopPropagation()}
                      >
                        {column.cell(row)}
                      </Anchor>
                    ) : (
                      column.cell(row)
                    )}
                  </Table.Td>
                ))}
              </Table.Tr>
            )
          })}
          {after > 0 && <Table.Tr aria-hidden h={after} />}
        </Table.Tbody>
      </Table>
    </Box>
  )
}
