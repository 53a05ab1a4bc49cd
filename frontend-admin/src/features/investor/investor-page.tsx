import { SimpleGrid, Stack, Table, Text } from '@mantine/core'
import { useMemo } from 'react'
import { $dashboards } from '@/api/client'
import { CurveChart } from '@/components/curve-chart'
import { KeyFacts } from '@/components/key-facts'
import { Meter } from '@/components/meter'
import { ModeBadge } from '@/components/mode-badge'
import { Pnl } from '@/components/money'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { spoken } from '@/lib/curves'
import { amount, percent } from '@/lib/format'
import { Documents, type InvestorView } from './documents'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The fund's results; no account and no position. */
export function InvestorPage() {
  const query = $dashboards.useQuery('get', '/api/v1/investor')
  return (
    <Page title="Performance">
      <Loaded query={query} what="Performance" rows={10}>
        {(view) => <Results view={view} />}
      </Loaded>
    </Page>
  )
}

const fractionOf = (pct: number | null | undefined) => (pct == null ? null : pct / 100)
const pct = (value: number | null | undefined) => <Pnl value={fractionOf(value)} ratio />

function Results({ view }: { view: InvestorView }) {
  const { performance } = view
  return (
    <Stack gap="md">
      <Text fz="sm" c="dimmed">
        <ModeBadge mode={view.account_type} /> in {view.currency}, payments left out, as of{' '}
        <TimeText at={view.as_of} relative={false} />
      </Text>
      <KeyFacts
        facts={[
          ['Today', pct(performance.daily_return_pct)],
          ['Month to date', pct(performance.mtd_return_pct)],
          ['Year to date', pct(performance.ytd_return_pct)],
          ['A year', pct(performance.cagr_pct)],
          ['Sharpe', amount(performance.sharpe_ratio)],
          ['Largest drawdown', percent(fractionOf(performance.max_drawdown_pct))],
        ]}
      />
      <Panel title="Index, from 100, and drawdown">
        <Index view={view} />
      </Panel>
      <Months view={view} />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Panel title="Allocation by strategy">
          {view.allocation.length === 0 ? (
            <Empty>Nothing is allocated now.</Empty>
          ) : (
            <SmallTable
              label="Allocation by strategy"
              rows={view.allocation}
              keyOf={(row) => row.name}
              columns={[
                { name: 'name', title: 'Strategy', cell: (row) => row.name },
                {
                  name: 'share',
                  title: 'Share',
                  numeric: true,
                  cell: (row) => `${amount(row.allocation_pct)} %`,
                },
                {
                  name: 'bar',
                  title: '',
                  cell: (row) => (
                    <Meter used={row.allocation_pct / 100} label={`Share of ${row.name}`} />
                  ),
                },
              ]}
            />
          )}
        </Panel>
        <Documents view={view} />
      </SimpleGrid>
    </Stack>
  )
}

const index = (value: number) => amount(value)

function Index({ view }: { view: InvestorView }) {
  const points = useMemo(
    () =>
      view.curve.map((point) => ({
        at: point.date,
        value: point.index,
        below: -Math.abs(point.drawdown_pct) / 100,
      })),
    [view.curve],
  )
  if (points.length < 2) return <Empty>There is no curve yet: it grows by a point a day.</Empty>
  return (
    <CurveChart
      label={`Index of the fund, ${spoken(points, index)}`}
      points={points}
      format={index}
      belowName="Drawdown"
    />
  )
}

function Months({ view }: { view: InvestorView }) {
  if (view.months.length === 0) return null
  return (
    <Panel title="Returns by month, %">
      <Table.ScrollContainer minWidth={820}>
        <Table aria-label="Returns by month, in percent">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Year</Table.Th>
              {MONTHS.map((month) => (
                <Table.Th key={month} ta="right">
                  {month}
                </Table.Th>
              ))}
              <Table.Th ta="right">Year</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {view.months.map((row) => (
              <Table.Tr key={row.year}>
                <Table.Th scope="row">{row.year}</Table.Th>
                {MONTHS.map((month, place) => (
                  <Table.Td key={month} ta="right">
                    <Pnl value={row.months[place]} />
                  </Table.Td>
                ))}
                <Table.Td ta="right" fw={600}>
                  <Pnl value={row.total_pct} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Panel>
  )
}
