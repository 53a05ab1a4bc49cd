import { Button, Group, List, SegmentedControl, Stack, Table, Text } from '@mantine/core'
import { useMemo } from 'react'
import { $portfolio, portfolio } from '@/api/client'
import type { components } from '@/api/portfolio-builder'
import { CurveChart } from '@/components/curve-chart'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { spoken } from '@/lib/curves'
import { amount, percent, signed, signedPercent, times } from '@/lib/format'
import { useMay } from '@/lib/session'
import { day } from '@/lib/time'
import { useRefresh } from '@/lib/use-refresh'
import { useUrlState } from '@/lib/use-url-state'
import type { RecordFigures } from './types'
import { useVerdict } from './verdict'

type Comparison = components['schemas']['services__portfolio_builder__live_comparison__Comparison']

/** What our own fills came to, beside what the developer says it does. */
export function LiveTab({ strategyId }: { strategyId: string }) {
  const [claim, setClaim] = useUrlState('claim', 'backtest')
  const { query, claims, missing } = useVerdict(
    strategyId,
    claim === 'developer_live' ? claim : 'backtest',
  )
  return (
    <Stack gap="md">
      <Panel
        title="Live against claimed"
        actions={
          <SegmentedControl
            size="xs"
            aria-label="Claim"
            data={[
              { value: 'backtest', label: 'Backtest' },
              { value: 'developer_live', label: "Developer's live record" },
            ]}
            value={claim}
            onChange={setClaim}
          />
        }
      >
        {missing ? (
          <Empty>There is no such claim to compare with: upload it under Track record.</Empty>
        ) : (
          <Loaded query={query} what="The comparison" rows={8}>
            {(found) => <Compared found={found} />}
          </Loaded>
        )}
      </Panel>
      <OwnRecord strategyId={strategyId} there={claims.includes('live')} />
    </Stack>
  )
}

function Compared({ found }: { found: Comparison }) {
  const points = useMemo(
    () =>
      found.curve.map(({ date, live, claimed }) => ({ at: date, value: live, beside: claimed })),
    [found.curve],
  )
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <StatusBadge status={found.verdict} />
        <Text fz="sm" c="dimmed">
          {found.overlap_days} days that both have
        </Text>
      </Group>
      {found.sentences.length > 0 && (
        <List size="sm">
          {found.sentences.map((sentence) => (
            <List.Item key={sentence}>{sentence}</List.Item>
          ))}
        </List>
      )}
      {found.curve.length > 1 ? (
        <CurveChart
          label={`What 1 became live, ${spoken(points, times)}; the claim is drawn beside it`}
          points={points}
          format={times}
          besideName="Claimed"
          height={240}
        />
      ) : (
        <Empty>There is no curve before both records have days in common.</Empty>
      )}
      <FiguresTable found={found} />
      <KeyFacts
        facts={[
          ['Tracking difference a year', signedPercent(found.tracking_difference_ratio)],
          ['Tracking error a year', percent(found.tracking_error_ratio)],
          ['Correlation', amount(found.correlation)],
          [
            'Sharpe, live less claimed',
            `${signed(found.sharpe_difference)} ± ${amount(found.sharpe_error)}`,
          ],
          ['Same distribution (p)', amount(found.ks_p, 3)],
        ]}
      />
    </Stack>
  )
}

const ROWS: [string, (figures: RecordFigures) => string][] = [
  ['Days', (figures) => String(figures.days)],
  ['A year', (figures) => signedPercent(figures.cagr_ratio)],
  ['Volatility', (figures) => percent(figures.volatility_ratio)],
  ['Sharpe', (figures) => amount(figures.sharpe)],
  ['Worst drawdown', (figures) => percent(figures.max_drawdown_ratio)],
  ['Worst day', (figures) => signedPercent(figures.worst_day_ratio)],
]

function FiguresTable({ found }: { found: Comparison }) {
  const columns: [string, RecordFigures | null | undefined][] = [
    ['Live', found.live],
    ['Claimed', found.claimed],
    ['Claimed, same days', found.claimed_on_overlap],
  ]
  return (
    <Table.ScrollContainer minWidth={400}>
      <Table aria-label="Figures, live and claimed">
        <Table.Thead>
          <Table.Tr>
            <Table.Th />
            {columns.map(([name]) => (
              <Table.Th key={name} ta="right">
                {name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {ROWS.map(([name, read]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              {columns.map(([column, figures]) => (
                <Table.Td key={column} ta="right">
                  {figures ? read(figures) : '–'}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function OwnRecord({ strategyId, there }: { strategyId: string; there: boolean }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')
  const params = { path: { strategy_id: strategyId } }
  const query = $portfolio.useQuery(
    'get',
    '/api/v1/strategies/{strategy_id}/live-record',
    { params },
    { enabled: there },
  )
  async function make() {
    await portfolio.POST('/api/v1/strategies/{strategy_id}/live-record', { params })
    await refresh('/api/v1/strategies/{strategy_id}')
  }
  return (
    <Panel
      title="Our own record"
      actions={
        mayConfigure && (
          <Button
            variant="default"
            onClick={() =>
              ask({
                title: 'Make our own record now',
                facts: [
                  ['Strategy', strategyId],
                  ['From', 'fills, prices and equity until last night'],
                ],
                action: 'Make it',
                act: make,
              })
            }
          >
            Make it now
          </Button>
        )
      }
    >
      {there ? (
        <Loaded query={query} what="Our own record" rows={3}>
          {(report) => (
            <Stack gap="sm">
              <KeyFacts
                facts={[
                  ['Until', day(report.until)],
                  ['Days', String(report.days)],
                  [`P&L${report.currency ? `, ${report.currency}` : ''}`, signed(report.pnl)],
                  ['Days nobody can know', String(report.unknown_count)],
                  ['Made', <TimeText key="made" at={report.made_at} />],
                ]}
              />
              {[
                ...report.notes,
                ...report.unknown.map((each) => `${day(each.date)}: ${each.reason}`),
              ]
                .slice(0, 20)
                .map((line) => (
                  <Text key={line} fz="sm" c="dimmed">
                    {line}
                  </Text>
                ))}
            </Stack>
          )}
        </Loaded>
      ) : (
        <Empty>There is none yet: it is made every night of what this strategy traded.</Empty>
      )}
      {question}
    </Panel>
  )
}
