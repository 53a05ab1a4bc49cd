import { Box } from '@mantine/core'
import { amount } from '@/lib/format'

/** Correlations as a grid: the figure stands in each cell, the color repeats it. */
export function HeatMap({ names, values }: { names: string[]; values: (number | null)[][] }) {
  return (
    <Box style={{ overflowX: 'auto' }} tabIndex={0} role="region" aria-label="Correlation">
      <table
        aria-label="Correlation of daily returns"
        style={{ borderCollapse: 'collapse', fontSize: 12 }}
      >
        <thead>
          <tr>
            <td />
            {names.map((name) => (
              <th key={name} scope="col" style={{ padding: '4px 8px', fontWeight: 500 }}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name, row) => (
            <tr key={name}>
              <th scope="row" style={{ padding: '4px 8px', textAlign: 'left', fontWeight: 500 }}>
                {name}
              </th>
              {names.map((other, column) => (
                <Cell key={other} value={values[row]?.[column] ?? null} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Box>
  )
}

function Cell({ value }: { value: number | null }) {
  const color =
    value === null || value >= 0
      ? 'light-dark(var(--mantine-color-orange-6), var(--mantine-color-orange-9))'
      : 'light-dark(var(--mantine-color-ink-5), var(--mantine-color-ink-8))'
  const share = value === null ? 0 : Math.round(Math.min(1, Math.abs(value)) * 55)
  return (
    <td
      className="number"
      style={{
        padding: '4px 8px',
        textAlign: 'center',
        background: `color-mix(in srgb, ${color} ${share}%, transparent)`,
      }}
    >
      {amount(value)}
    </td>
  )
}
