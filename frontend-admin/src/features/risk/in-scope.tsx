import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { $dashboards } from '@/api/client'
import type { Scope } from '@/components/scope-fields'
import { exact } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'

interface Found {
  orderLines: ReactNode
  positionLines: ReactNode
  orders: number | null
  positions: number | null
  more: boolean
}

/** Working orders and open positions that a scope reaches, by our books. */
export function useInScope(scope: Scope, id: string): Found {
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
  const working = reached(orders.data?.rows)
  const held = reached(positions.data?.rows)
  return {
    orders: working?.length ?? null,
    positions: held?.length ?? null,
    more: Boolean(orders.data?.next || positions.data?.next),
    orderLines: lines(
      working?.map(
        (order) =>
          `${order.side} ${exact(order.quantity)} ${instrumentWords(order.instrument)} in ${order.account_id}`,
      ),
    ),
    positionLines: lines(
      held?.map(
        (row) =>
          `${row.quantity.startsWith('-') ? 'BUY' : 'SELL'} ${exact(row.quantity.replace('-', ''))} ${instrumentWords(row.instrument)} in ${row.account_id ?? 'several'}, ${exact(row.deployed)} ${row.instrument.currency}`,
      ),
    ),
  }
}

export function InScope({ found }: { found: Found }) {
  const count = (number: number | null) => (number === null ? 'an unknown number of' : number)
  return (
    <Text fz="sm" c="dimmed">
      By our books it reaches {count(found.orders)} working orders and {count(found.positions)} open
      positions{found.more ? ', and more' : ''}.
    </Text>
  )
}

const SHOWN = 8

function lines(all: string[] | undefined): ReactNode {
  if (!all) return 'not known: whatever there is'
  if (all.length === 0) return 'none by our books'
  return (
    <>
      {all.slice(0, SHOWN).map((line) => (
        <Text key={line} fz="sm">
          {line}
        </Text>
      ))}
      {all.length > SHOWN && <Text fz="sm">and {all.length - SHOWN} more</Text>}
    </>
  )
}
