import { $dashboards } from '@/api/client'
import { Exact, Pnl } from '@/components/money'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'

/** What the strategy holds, over all accounts. */
export function PositionsTab({ strategyId }: { strategyId: string }) {
  const query = $dashboards.useQuery('get', '/api/v1/signal-senders/{strategy_id}/positions', {
    params: { path: { strategy_id: strategyId } },
  })
  return (
    <Panel title="Open positions">
      <Loaded query={query} what="Positions" rows={4}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty>Nothing is held: the next entry that is filled stands here.</Empty>
          ) : (
            <SmallTable
              label="Open positions"
              rows={rows}
              keyOf={(row) => `${row.ticker}|${JSON.stringify(row.instrument)}`}
              columns={[
                { name: 'what', title: 'Instrument', cell: (row) => row.ticker },
                { name: 'side', title: 'Side', cell: (row) => row.side },
                {
                  name: 'quantity',
                  title: 'Quantity',
                  numeric: true,
                  cell: (row) => <Exact value={row.quantity} />,
                },
                {
                  name: 'entry',
                  title: 'Entry',
                  numeric: true,
                  cell: (row) => <Exact value={row.entry_price} />,
                },
                {
                  name: 'mark',
                  title: 'Mark',
                  numeric: true,
                  cell: (row) => <Exact value={row.current_price} />,
                },
                {
                  name: 'pnl',
                  title: 'Unrealized',
                  numeric: true,
                  cell: (row) => (
                    <>
                      <Pnl value={row.unrealized_pnl} /> {row.currency}
                    </>
                  ),
                },
                {
                  name: 'held',
                  title: 'Days held',
                  numeric: true,
                  wide: true,
                  cell: (row) => row.days_held ?? '–',
                },
              ]}
            />
          )
        }
      </Loaded>
    </Panel>
  )
}
