import { Anchor } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import { exact, words } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { Exact, Pnl, Price } from './money'
import { SmallTable } from './small-table'
import { StatusBadge } from './status-badge'
import { TimeText } from './time-text'

/** What lists and pages of orders have in common. */
export type Order = Omit<components['schemas']['OrderLine'], 'doing'>
type Fill = Omit<components['schemas']['FillView'], 'signal_id'> &
  Partial<Pick<components['schemas']['FillRow'], 'void'>>

/** The terms of an order: `LIMIT 150.00 · stop 140 · GTC`. */
export function termsOf(order: Order): string {
  const stop = order.stop_price ? `stop ${exact(order.stop_price)}` : ''
  const limit = order.limit_price ? ` ${exact(order.limit_price)}` : ''
  return [words(order.order_type) + limit, stop, order.time_in_force].filter(Boolean).join(' · ')
}

/** `BUY 10 AAPL in Mock-1` */
export function orderWords(order: Order): string {
  return `${order.side} ${exact(order.quantity)} ${instrumentWords(order.instrument)} in ${order.account_id}`
}

export function OrdersTable({ orders }: { orders: readonly Order[] }) {
  return (
    <SmallTable
      label="orders"
      rows={orders}
      keyOf={(order) => order.client_order_id}
      tone={(order) => (order.status === 'UNKNOWN' ? 'var(--mantine-color-red-light)' : undefined)}
      columns={[
        {
          name: 'order',
          title: 'Order',
          cell: (order) => (
            <Anchor
              component={Link}
              fz="inherit"
              to={`/orders/${encodeURIComponent(order.client_order_id)}`}
            >
              {orderWords(order)}
            </Anchor>
          ),
        },
        { name: 'role', title: 'For', cell: (order) => words(order.role), wide: true },
        { name: 'terms', title: 'Terms', cell: termsOf },
        {
          name: 'status',
          title: 'Status',
          cell: (order) => <StatusBadge status={order.status} />,
        },
        {
          name: 'filled',
          title: 'Filled',
          numeric: true,
          cell: (order) => <Exact value={order.filled_quantity} />,
        },
        {
          name: 'price',
          title: 'Average price',
          numeric: true,
          cell: (order) => <Price value={order.avg_fill_price} />,
        },
        {
          name: 'text',
          title: 'Last words',
          cell: (order) => order.text,
          wide: true,
        },
      ]}
    />
  )
}

export function FillsTable({
  fills,
  orders,
}: {
  fills: readonly Fill[]
  /** Of these fills: they know what their instruments are called. */
  orders: readonly Order[]
}) {
  const nameOf = (fill: Fill) => {
    const order = orders.find((each) => each.client_order_id === fill.client_order_id)
    return order ? instrumentWords(order.instrument) : fill.instrument_key
  }
  return (
    <SmallTable
      label="fills"
      rows={fills}
      keyOf={(fill) => fill.execution_id}
      columns={[
        {
          name: 'time',
          title: 'Time',
          cell: (fill) => <TimeText at={fill.occurred_at} relative={false} />,
        },
        {
          name: 'what',
          title: 'What',
          cell: (fill) =>
            `${fill.void ? 'taken back: ' : ''}${fill.side} ${exact(fill.quantity)} ${nameOf(fill)} in ${fill.account_id}`,
        },
        {
          name: 'price',
          title: 'Price',
          numeric: true,
          cell: (fill) => <Price value={fill.price} />,
        },
        {
          name: 'commission',
          title: 'Commission',
          numeric: true,
          cell: (fill) => <Exact value={fill.commission} />,
          wide: true,
        },
        {
          name: 'pnl',
          title: 'Realized P&L',
          numeric: true,
          cell: (fill) => <Pnl value={fill.realized_pnl} />,
        },
        {
          name: 'id',
          title: 'Execution',
          cell: (fill) => fill.execution_id,
          wide: true,
        },
      ]}
    />
  )
}
