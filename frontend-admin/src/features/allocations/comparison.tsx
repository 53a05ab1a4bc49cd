import { Alert, Stack, Table, Text } from '@mantine/core'
import { Pnl } from '@/components/money'
import { SmallTable } from '@/components/small-table'
import { amount, percent, signedPercent } from '@/lib/format'
import { day } from '@/lib/time'
import type { Compared, MixFigures } from './types'

const FIGURES: [string, (figures: MixFigures) => string][] = [
  ['Return a year', (figures) => signedPercent(figures.annual_return_ratio)],
  ['Volatility', (figures) => percent(figures.volatility_ratio)],
  ['Sharpe', (figures) => amount(figures.sharpe)],
  ['Largest drawdown', (figures) => percent(figures.max_drawdown_ratio)],
]

/** An allocation beside the one that trades: all of it is the past. */
export function ComparisonView({ compared }: { compared: Compared }) {
  const { comparison } = compared
  const span = comparison.aligned ?? comparison.recent
  return (
    <Stack gap="sm">
      <Lines color="red" title="A rule forbids it" lines={compared.faults} />
      <Lines color="orange" title="A study speaks against it" lines={compared.objections} />
      <Lines color="yellow" title="To know" lines={compared.warnings} />
      {span ? (
        <Table.ScrollContainer minWidth={380}>
          <Table aria-label="Figures before and after">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>
                  {day(span.from_on)} – {day(span.to_on)}
                </Table.Th>
                <Table.Th ta="right">Now</Table.Th>
                <Table.Th ta="right">Then</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {FIGURES.map(([name, read]) => (
                <Table.Tr key={name}>
                  <Table.Th scope="row">{name}</Table.Th>
                  <Table.Td ta="right">{read(span.before)}</Table.Td>
                  <Table.Td ta="right" fw={600}>
                    {read(span.after)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : (
        <Text fz="sm" c="dimmed">
          No figures: the records have no days in common. Upload records of these strategies.
        </Text>
      )}
      <SmallTable
        label="Strategies before and after"
        rows={comparison.strategies}
        keyOf={(row) => row.strategy_id}
        columns={[
          { name: 'strategy', title: 'Strategy', cell: (row) => row.strategy_id },
          { name: 'now', title: 'Now', numeric: true, cell: (row) => percent(row.before_ratio) },
          { name: 'then', title: 'Then', numeric: true, cell: (row) => percent(row.after_ratio) },
          {
            name: 'change',
            title: 'Change',
            numeric: true,
            cell: (row) => <Pnl value={row.change_ratio} ratio />,
          },
          {
            name: 'risk',
            title: 'Part of the risk',
            numeric: true,
            wide: true,
            cell: (row) =>
              `${percent(row.risk_share_before_ratio, 0)} → ${percent(row.risk_share_after_ratio, 0)}`,
          },
        ]}
      />
      <Text fz="xs" c="dimmed">
        Total {percent(comparison.total_before_ratio)} → {percent(comparison.total_after_ratio)},
        turnover {percent(comparison.turnover_ratio)}. {comparison.notes.join(' ')}
      </Text>
    </Stack>
  )
}

function Lines({ color, title, lines }: { color: string; title: string; lines: string[] }) {
  if (lines.length === 0) return null
  return (
    <Alert color={color} variant="light" title={title}>
      {lines.map((line) => (
        <Text key={line} fz="sm">
          {line}
        </Text>
      ))}
    </Alert>
  )
}
