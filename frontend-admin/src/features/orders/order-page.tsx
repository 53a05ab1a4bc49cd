import { Alert, Anchor, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Link, useParams } from 'react-router'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { FillsOnPrice } from '@/components/fills-on-price'
import { KeyFacts } from '@/components/key-facts'
import { Exact, Price } from '@/components/money'
import { FillsTable, OrdersTable, orderWords, termsOf } from '@/components/order-tables'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { duration, words } from '@/lib/format'
import { instrumentWords } from '@/lib/instrument'
import { OrderActions } from './order-actions'

type Order = components['schemas']['OrderPage']

/** One order: its terms, its life, the broker's own words, and what came of it. */
export function OrderPage() {
  const { id = '' } = useParams()
  const order = $dashboards.useQuery('get', '/api/v1/orders/{order_id}', {
    params: { path: { order_id: id } },
  })
  return (
    <Page title="Order" actions={order.data && <OrderActions order={order.data} />}>
      <Loaded query={order} what={`Order ${id}`} rows={10}>
        {(found) => <Whole order={found} />}
      </Loaded>
    </Page>
  )
}

function Whole({ order }: { order: Order }) {
  return (
    <Stack gap="md">
      <Text fz="lg" component="div">
        {orderWords(order)}, {termsOf(order)} <StatusBadge status={order.status} />
      </Text>
      {order.status === 'UNKNOWN' && (
        <Alert
          color="red"
          variant="light"
          role="alert"
          title="Nobody knows what became of this order"
        >
          {order.doing || 'The broker is being asked; nothing is sent again until it answers.'}
        </Alert>
      )}
      <Panel title="Terms">
        <KeyFacts facts={factsOf(order)} />
      </Panel>
      <Panel title="Events">
        <Events order={order} />
      </Panel>
      {order.fills.length > 0 && (
        <Panel title="Fills">
          <FillsTable fills={order.fills} orders={[order]} />
          <OnPrice order={order} />
        </Panel>
      )}
      {order.children.length > 0 && (
        <Panel title="Made for it">
          <OrdersTable orders={order.children} />
        </Panel>
      )}
      <Panel title="Raw broker messages">
        {order.broker_messages.length === 0 ? (
          <Empty>The broker has not said a word about it.</Empty>
        ) : (
          <CopyBlock
            label="as they came, secrets removed"
            value={order.broker_messages.map((each) => JSON.stringify(each, null, 2)).join('\n')}
          />
        )}
      </Panel>
    </Stack>
  )
}

function OnPrice({ order }: { order: Order }) {
  const key = order.fills[0]?.instrument_key
  if (!key) return null
  const known: [string, string | null | undefined][] = [
    ['limit', order.limit_price],
    ['stop', order.stop_price],
  ]
  return (
    <FillsOnPrice
      label={`${order.fills.length} fills of ${instrumentWords(order.instrument)} on its price`}
      accountId={order.account_id}
      instrumentKey={key}
      fills={order.fills.map(({ occurred_at, price, side, quantity }) => ({
        at: occurred_at,
        price,
        side,
        quantity,
      }))}
      lines={known.flatMap(([name, price]) => (price ? [{ name, price }] : []))}
    />
  )
}

function Events({ order }: { order: Order }) {
  if (order.events.length === 0) return <Empty>Nothing has happened to it yet.</Empty>
  return (
    <SmallTable
      label="events"
      rows={order.events}
      keyOf={(event) => event.recorded_at + event.status + event.text}
      columns={[
        {
          name: 'at',
          title: 'At the broker',
          cell: (event) => <TimeText at={event.occurred_at} relative={false} />,
        },
        {
          name: 'told',
          title: 'Told after',
          numeric: true,
          cell: (event) =>
            duration(Math.max(0, Date.parse(event.recorded_at) - Date.parse(event.occurred_at))),
          wide: true,
        },
        {
          name: 'status',
          title: 'Status',
          cell: (event) => <StatusBadge status={event.status} />,
        },
        { name: 'text', title: 'Words', cell: (event) => event.text || '–' },
      ]}
    />
  )
}

function To({ name, at }: { name: string; at: string }) {
  return (
    <Anchor component={Link} fz="inherit" to={`/${at}/${encodeURIComponent(name)}`}>
      {name}
    </Anchor>
  )
}

function factsOf(order: Order): [string, ReactNode][] {
  const facts: [string, ReactNode][] = [
    ['Account', <To key="account" name={order.account_id} at="accounts" />],
    ['Strategy', <To key="strategy" name={order.strategy_id} at="strategies" />],
    [
      'Signal',
      <Anchor key="signal" component={Link} fz="inherit" to={`/signals/${order.signal_id}`}>
        {order.signal_id}
      </Anchor>,
    ],
    ['For', words(order.role)],
    ['Filled', <Exact key="filled" value={order.filled_quantity} />],
    ['Left', <Exact key="left" value={order.leaves_quantity} />],
    ['Average price', <Price key="price" value={order.avg_fill_price} />],
    ['Made', <TimeText key="made" at={order.created_at} relative={false} />],
    ['Sent after', duration(order.sent_ms)],
    ['Our id', order.client_order_id],
    ["Broker's id", order.broker_order_id ?? 'not known'],
  ]
  if (order.resend_count > 0) facts.push(['Sent again', `${order.resend_count} times`])
  if (order.cancel_requested_at)
    facts.push(['Cancel asked', `${order.cancel_reason || 'no reason'}`])
  if (order.change) facts.push(['Change asked', changeOf(order.change)])
  for (const [name, value] of Object.entries(order.as_decided ?? {}))
    facts.push([`${words(name)}, as decided`, value])
  if (order.parent_order_id)
    facts.push([
      'Made for',
      <Anchor
        key="parent"
        component={Link}
        fz="inherit"
        to={`/orders/${encodeURIComponent(order.parent_order_id)}`}
      >
        {order.parent_order_id}
      </Anchor>,
    ])
  return facts
}

function changeOf(change: NonNullable<Order['change']>): string {
  const terms = [
    change.quantity && `quantity ${change.quantity}`,
    change.limit_price && `limit ${change.limit_price}`,
    change.stop_price && `stop ${change.stop_price}`,
    change.by && `by ${change.by}`,
  ]
  return terms.filter(Boolean).join(', ')
}
