import { Box, Table } from '@mantine/core'
import type { Column } from './data-table'

/** A table of a few rows, all of them in the page. */
export function SmallTable<Row>({
  label,
  columns,
  rows,
  keyOf,
  tone,
}: {
  label: string
  columns: Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row) => string
  tone?: (row: Row) => string | undefined
}) {
  return (
    <Box style={{ overflowX: 'auto' }} tabIndex={0} role="region" aria-label={`table of ${label}`}>
      <Table highlightOnHover aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th
                key={column.name}
                w={column.width}
                ta={column.numeric ? 'right' : undefined}
                visibleFrom={column.wide ? 'sm' : undefined}
              >
                {column.title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={keyOf(row)} bg={tone?.(row)}>
              {columns.map((column) => (
                <Table.Td
                  key={column.name}
                  ta={column.numeric ? 'right' : undefined}
                  visibleFrom={column.wide ? 'sm' : undefined}
                >
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Box>
  )
}
