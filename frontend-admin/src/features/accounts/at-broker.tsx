import { Stack, Text } from '@mantine/core'
import { $accounts, $dashboards } from '@/api/client'
import { Exact, Money, Pnl, Price } from '@/components/money'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { exact, words } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { AgeText } from './age-text'

/** What the broker says is there: positions, orders, and whether our books say the same. */
export function AtBroker({ accountId }: { accountId: string }) {
  const query = $accounts.useQuery('get', '/api/v1/account/{account_id}/state', {
    params: { path: { account_id: accountId } },
  })
  return (
    <Loaded query={query} what="What the broker says" rows={8}>
      {({ state }) => (
        <Stack gap="md">
          <Panel
            title="Positions at the broker"
            actions={<AgeText at={state.positions_as_of} stale={state.stale} />}
          >
            {state.positions_error && <Text fz="sm">{state.positions_error}</Text>}
            {state.open_positions.length === 0 ? (
              <Empty>The broker holds nothing in this account.</Empty>
            ) : (
              <SmallTable
                label="Positions at the broker"
                rows={state.open_positions}
                keyOf={(row) => row.instrument_key}
                columns={[
                  { name: 'what', title: 'Instrument', cell: (row) => row.symbol },
                  {
                    name: 'quantity',
                    title: 'Quantity',
                    numeric: true,
                    cell: (row) => <Exact value={row.quantity} />,
                  },
                  {
                    name: 'avg',
                    title: 'Average',
                    numeric: true,
                    cell: (row) => <Price value={row.avg_price} />,
                  },
                  {
                    name: 'mark',
                    title: 'Mark',
                    numeric: true,
                    cell: (row) => <Price value={row.current_price} />,
                  },
                  {
                    name: 'value',
                    title: 'Value',
                    numeric: true,
                    wide: true,
                    cell: (row) => (
                      <>
                        <Money value={row.market_value} /> {row.currency}
                      </>
                    ),
                  },
                  {
                    name: 'pnl',
                    title: 'Unrealized',
                    numeric: true,
                    cell: (row) => <Pnl value={row.unrealized_pnl} />,
                  },
                ]}
              />
            )}
          </Panel>
          <Panel title="Open orders at the broker">
            {state.open_orders.length === 0 ? (
              <Empty>No order works in this account.</Empty>
            ) : (
              <SmallTable
                label="Open orders at the broker"
                rows={state.open_orders}
                keyOf={(row) => row.order_id}
                columns={[
                  {
                    name: 'order',
                    title: 'Order',
                    cell: (row) => `${row.side} ${exact(row.quantity)} ${row.instrument}`,
                  },
                  {
                    name: 'type',
                    title: 'Terms',
                    cell: (row) => `${words(row.order_type)} ${row.price ? exact(row.price) : ''}`,
                  },
                  {
                    name: 'status',
                    title: 'Status',
                    cell: (row) => <StatusBadge status={row.status} />,
                  },
                  {
                    name: 'whose',
                    title: 'Whose',
                    cell: (row) => (row.foreign ? 'not of this system' : 'ours'),
                  },
                ]}
              />
            )}
          </Panel>
          <Reconciliation accountId={accountId} />
        </Stack>
      )}
    </Loaded>
  )
}

const MARK: Record<string, string> = { EQUAL: '✓', DIFFERS: '✗', LOCKED: '🔒', UNKNOWN: '?' }

/** Our books beside the broker's, as they were last compared. */
function Reconciliation({ accountId }: { accountId: string }) {
  const query = $dashboards.useQuery('get', '/api/v1/positions', {
    params: { query: { by: 'account', account_id: accountId, limit: 200 } },
  })
  return (
    <Panel title="Last reconciliation">
      <Loaded query={query} what="The reconciliation" rows={3}>
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty>Nothing was ever held here by our books, so there is nothing to compare.</Empty>
          ) : (
            <SmallTable
              label="Last reconciliation"
              rows={rows}
              keyOf={(row) => row.instrument_key}
              columns={[
                {
                  name: 'what',
                  title: 'Instrument',
                  cell: (row) => instrumentWords(row.instrument),
                },
                {
                  name: 'state',
                  title: 'State',
                  cell: (row) => (
                    <>
                      <span aria-hidden="true">{MARK[row.reconciled?.state ?? 'UNKNOWN']} </span>
                      <StatusBadge status={row.reconciled?.state} />
                    </>
                  ),
                },
                {
                  name: 'ours',
                  title: 'Ours',
                  numeric: true,
                  cell: (row) => <Exact value={row.reconciled?.books ?? row.quantity} />,
                },
                {
                  name: 'theirs',
                  title: 'Broker',
                  numeric: true,
                  cell: (row) =>
                    row.reconciled?.state === 'EQUAL' ? (
                      'the same'
                    ) : (
                      <Exact value={row.reconciled?.broker} />
                    ),
                },
                {
                  name: 'when',
                  title: 'Compared',
                  cell: (row) => <TimeText at={row.reconciled?.looked_at} />,
                },
              ]}
            />
          )
        }
      </Loaded>
    </Panel>
  )
}
