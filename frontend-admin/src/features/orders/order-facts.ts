import { type Order, termsOf } from '@/components/order-tables'
import { exact } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'

export type { Order }

/** What every question about an order repeats. */
export function factsOf(order: Order): [string, string][] {
  return [
    ['Account', order.account_id],
    ['Instrument', instrumentWords(order.instrument)],
    ['Side', order.side],
    ['Quantity', `${exact(order.quantity)}, of which ${exact(order.leaves_quantity)} not filled`],
    ['Terms', termsOf(order)],
    ['Strategy', order.strategy_id],
  ]
}
