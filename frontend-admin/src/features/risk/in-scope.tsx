import { Text } from '@mantine/core'
import { $dashboards } from '@/api/client'
import type { Scope } from '@/components/scope-fields'
import { exact } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'

interface Reach {
  scope: Scope
  id: string
}

/** Working orders and open positions that a scope reaches, by our books; undefined until known. */
function useInScope({ scope, id }: Reach) {
  const ofAccount = scope === 'ACCOUNT' && id ? { account_id: id } : {}
  const ofStrategy = scope === 'STRATEGY' && id ? { strategy_id: id } : {}
  const narrow = { ...ofAccount, ...ofStrategy, limit: 200 }
  const orders = $dashboards.useQuery('get', '/api/v1/orders', {
    params: { query: { working: true, ...narrow } },
  })
  const positions = $dashboards.useQuery('get', '/api/v1/positions', {
    params: { query: { open_only: true, by: 'strategy', ...narrow } },
  })
  const reached = <Row extends { instrument: { symbol: string; instrument_type: string } }>(
    rows: Row[] | undefined,
  ) =>
    rows?.filter(
      ({ instrument }) =>
        (scope !== 'INSTRUMENT' || instrument.symbol === id) &&
        (scope !== 'ASSET_CLASS' || instrument.instrument_type === id),
    )
  return {
    orders: reached(orders.data?.rows),
    positions: reached(positions.data?.rows),
    more: Boolean(orders.data?.next || positions.data?.next),
  }
}

export function InScope(reach: Reach) {
  const { orders, positions, more } = useInScope(reach)
  const count = (rows: unknown[] | undefined) => rows?.length ?? 'an unknown number of'
  return (
    <Text fz="sm" c="dimmed">
      By our books it reaches {count(orders)} working orders and {count(positions)} open positions
      {more ? ', and more' : ''}.
    </Text>
  )
}

/** The orders themselves. */
export function OrdersReached(reach: Reach) {
  const lines = useInScope(reach).orders?.map((order) => ({
    key: order.client_order_id,
    words: `${order.side} ${exact(order.quantity)} ${instrumentWords(order.instrument)} in ${order.account_id}`,
  }))
  return <Lines all={lines} />
}

/** What would close the positions. */
export function PositionsReached(reach: Reach) {
  const lines = useInScope(reach).positions?.map((row) => ({
    key: `${row.strategy_id}|${row.account_id}|${row.instrument_key}`,
    words: `${row.quantity.startsWith('-') ? 'BUY' : 'SELL'} ${exact(row.quantity.replace('-', ''))} ${instrumentWords(row.instrument)} in ${row.account_id ?? 'several'}, ${exact(row.deployed)} ${row.instrument.currency}`,
  }))
  return <Lines all={lines} />
}

const SHOWN = 8

function Lines({ all }: { all: { key: string; words: string }[] | undefined }) {
  if (!all) return 'not known: whatever there is'
  if (all.length === 0) return 'none by our books'
  return (
    <>
      {all.slice(0, SHOWN).map(({ key, words }) => (
        <Text key={key} fz="sm">
          {words}
        </Text>
      ))}
      {all.length > SHOWN && <Text fz="sm">and {all.length - SHOWN} more</Text>}
    </>
  )
}
