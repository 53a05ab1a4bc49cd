import { screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { renderAt } from '@/testing/render'
import { DataTable } from './data-table'

test('a hundred thousand rows put only those in sight into the page', () => {
  const rows = Array.from({ length: 100_000 }, (_, number) => ({ id: String(number) }))
  renderAt(
    '/',
    '/',
    <DataTable
      label="signals"
      rows={rows}
      keyOf={(row) => row.id}
      columns={[{ name: 'id', title: 'Id', cell: (row) => row.id }]}
    />,
  )
  expect(screen.getByRole('table')).toHaveAttribute('aria-rowcount', '100000')
  const inThePage = screen.getAllByRole('row').length
  expect(inThePage).toBeGreaterThan(20)
  expect(inThePage).toBeLessThan(80)
  expect(screen.getByText('0')).toBeInTheDocument()
})
