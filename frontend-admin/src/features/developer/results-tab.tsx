import { Stack, Table } from '@mantine/core'
import { useMemo } from 'react'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CurveChart } from '@/components/curve-chart'
import { KeyFacts } from '@/components/key-facts'
import { Pnl } from '@/components/money'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { spoken } from '@/lib/curves'
import { amount, duration, words } from '@/lib/format'

type Dashboard = components['schemas']['SenderDashboard']
type Equity = components['schemas']['SenderEquity']

/** What became of the signals, in figures. */
export function ResultsTab({ strategyId }: { strategyId: string }) {
  const params = { path: { strategy_id: strategyId } }
  const dashboard = $dashboards.useQuery('get', '/api/v1/dashboards/signal-sender/{strategy_id}', {
    params,
  })
  const equity = $dashboards.useQuery('get', '/api/v1/signal-senders/{strategy_id}/equity', {
    params,
  })
  return (
    <Stack gap="md">
      <Loaded query={dashboard} what="Results" rows={6}>
        {(found) => <Figures found={found} />}
      </Loaded>
      <Panel title="P&L, our own record">
        <Loaded query={equity} what="The curve" rows={8}>
          {(found) => <Curve found={found} />}
        </Loaded>
      </Panel>
    </Stack>
  )
}

const pct = (value: number | null | undefined) =>
  value === null || value === undefined ? '–' : `${amount(value)} %`

function Figures({ found }: { found: Dashboard }) {
  const { summary, performance } = found
  return (
    <>
      <Panel title="Signals and P&L">
        <KeyFacts
          facts={[
            ['Signals sent', String(summary.total_signals_sent)],
            ['Executed', String(summary.signals_executed)],
            ['Rejected', `${summary.signals_rejected} (${pct(summary.rejection_rate_pct)})`],
            ['Open', String(summary.signals_open)],
            [`P&L, ${summary.currency ?? ''}`, <Pnl key="pnl" value={summary.total_pnl} />],
            ['Won', pct(summary.win_rate_pct)],
            ['Profit factor', amount(summary.profit_factor)],
            ['Allocation', pct(summary.current_allocation_pct)],
            ['Month to date', pct(performance.mtd_return_pct)],
            ['Year to date', pct(performance.ytd_return_pct)],
            ['Volatility', pct(performance.volatility_pct)],
            ['Largest drawdown', pct(performance.max_drawdown_pct)],
          ]}
        />
      </Panel>
      <Panel title="Why signals were not traded">
        {Object.values(found.rejection_breakdown ?? {}).every((count) => count === 0) ? (
          <Empty>None was refused.</Empty>
        ) : (
          <KeyFacts
            facts={Object.entries(found.rejection_breakdown ?? {}).map(
              ([code, count]): [string, string] => [words(code), String(count)],
            )}
          />
        )}
      </Panel>
      {found.lag.length > 0 && (
        <Panel title="How long it took">
          <Table aria-label="How long it took">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>From, to</Table.Th>
                <Table.Th ta="right">Half within</Table.Th>
                <Table.Th ta="right">99 % within</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.lag.map((lag) => (
                <Table.Tr key={lag.name}>
                  <Table.Td>{words(lag.name)}</Table.Td>
                  <Table.Td ta="right">{duration(lag.p50_ms)}</Table.Td>
                  <Table.Td ta="right">{duration(lag.p99_ms)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Panel>
      )}
    </>
  )
}

const money = (value: number) => amount(value)

function Curve({ found }: { found: Equity }) {
  const points = useMemo(
    () =>
      found.rows.map((row) => ({
        at: row.date,
        value: Number(row.cumulative_pnl),
        below: row.drawdown_pct === null ? null : -Math.abs(row.drawdown_pct) / 100,
      })),
    [found.rows],
  )
  if (points.length < 2)
    return <Empty>There is no curve yet: it is made every night of what was traded.</Empty>
  return (
    <CurveChart
      label={`P&L since the first day, ${found.currency ?? ''}, ${spoken(points, money)}`}
      points={points}
      format={money}
      belowName="Drawdown"
    />
  )
}
