import { Anchor, Table } from '@mantine/core'
import { Pnl } from '@/components/money'
import { amount, percent } from '@/lib/format'
import { day } from '@/lib/time'
import { SOURCES, type Summary } from './types'

/** The figures of each record side by side. */
export function RecordSources({ summary }: { summary: Summary }) {
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table aria-label="Records">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Source</Table.Th>
            <Table.Th>From, to</Table.Th>
            <Table.Th ta="right">Days</Table.Th>
            <Table.Th ta="right">Total</Table.Th>
            <Table.Th ta="right">A year</Table.Th>
            <Table.Th ta="right">Volatility</Table.Th>
            <Table.Th ta="right">Sharpe</Table.Th>
            <Table.Th ta="right">Worst drawdown</Table.Th>
            <Table.Th>Export</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {summary.sources.map(({ source, figures }) => (
            <Table.Tr key={source}>
              <Table.Td fw={600}>{SOURCES[source] ?? source}</Table.Td>
              <Table.Td>
                {figures ? `${day(figures.first_on)} – ${day(figures.last_on)}` : '–'}
              </Table.Td>
              <Table.Td ta="right">{figures?.days ?? '–'}</Table.Td>
              <Table.Td ta="right">
                <Pnl value={figures?.total_ratio} ratio />
              </Table.Td>
              <Table.Td ta="right">
                <Pnl value={figures?.cagr_ratio} ratio />
              </Table.Td>
              <Table.Td ta="right">{percent(figures?.volatility_ratio)}</Table.Td>
              <Table.Td ta="right">{amount(figures?.sharpe)}</Table.Td>
              <Table.Td ta="right">{percent(figures?.max_drawdown_ratio)}</Table.Td>
              <Table.Td>
                <Anchor
                  fz="sm"
                  href={`/api/portfolio_builder/v1/strategies/${encodeURIComponent(summary.strategy_id)}/records/${source}.csv`}
                  aria-label={`CSV of ${SOURCES[source] ?? source}`}
                  download
                >
                  CSV
                </Anchor>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}
