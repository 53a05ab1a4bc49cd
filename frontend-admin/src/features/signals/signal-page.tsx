import { Anchor, Group, Stack, Text } from '@mantine/core'
import { Link, useParams } from 'react-router'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { FillsOnPrice } from '@/components/fills-on-price'
import { KeyFacts } from '@/components/key-facts'
import { Money, Pnl } from '@/components/money'
import { FillsTable, OrdersTable } from '@/components/order-tables'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { Timeline } from '@/components/timeline'
import { Waterfall } from '@/components/waterfall'
import { words } from '@/lib/format'
import { instrumentWords, legWords } from '@/lib/instrument'
import { RawPayload } from './raw-payload'
import { SignalActions } from './signal-actions'

type Signal = components['schemas']['SignalPage']

const AT_ITS_END = new Set([
  'COMPLETED',
  'DENIED',
  'QUARANTINED',
  'REJECTED',
  'CANCELED',
  'EXPIRED',
])

export function SignalPage() {
  const { id = '' } = useParams()
  const signal = $dashboards.useQuery('get', '/api/v1/signals/{signal_id}', {
    params: { path: { signal_id: id } },
  })
  return (
    <Page title="Signal" actions={signal.data && <SignalActions signal={signal.data} />}>
      <Loaded query={signal} what={`Signal ${id}`} rows={12}>
        {(found) => <Whole signal={found} />}
      </Loaded>
    </Page>
  )
}

function Whole({ signal }: { signal: Signal }) {
  return (
    <Stack gap="md">
      <Stack gap={6}>
        <Text fz="lg">{signal.sentence}</Text>
        <Group gap="xs">
          <StatusBadge status={signal.status} />
          {signal.decision && <StatusBadge status={signal.decision.outcome} />}
          {signal.warnings.map((warning) => (
            <Text key={warning} fz="sm" c="dimmed">
              ⚠ {warning}
            </Text>
          ))}
        </Group>
      </Stack>
      <Panel title="Road">
        <Timeline
          road={signal.road}
          working={!AT_ITS_END.has(signal.status)}
          waitingFor={signal.waiting_for}
        />
        {signal.contention.map((sentence) => (
          <Text key={sentence} fz="sm" c="dimmed" mt={6}>
            {sentence}
          </Text>
        ))}
      </Panel>
      {signal.quarantine && (
        <Panel title="Why it cannot be read">
          <Text fz="sm">
            {signal.quarantine.sentence} ({signal.quarantine.code}
            {signal.quarantine.field && `, field ${signal.quarantine.field}`})
          </Text>
        </Panel>
      )}
      {signal.decision && (
        <Panel title="Decision">
          <Waterfall decision={signal.decision} />
        </Panel>
      )}
      <Panel title="Orders and fills">
        <Trades signal={signal} />
      </Panel>
      <Panel title="What was asked">
        <KeyFacts facts={factsOf(signal)} />
      </Panel>
      <RawPayload raw={signal.raw} />
    </Stack>
  )
}

function Trades({ signal }: { signal: Signal }) {
  if (signal.orders.length === 0) return <Empty>No order was made for this signal.</Empty>
  return (
    <Stack gap="md">
      <OrdersTable orders={signal.orders} />
      {signal.fills.length > 0 && (
        <>
          <FillsTable fills={signal.fills} orders={signal.orders} />
          {instrumentsOf(signal).map((key) => (
            <Prices key={key} signal={signal} instrument={key} />
          ))}
        </>
      )}
    </Stack>
  )
}

/** One instrument's fills on its price, beside the prices that were known. */
function Prices({ signal, instrument }: { signal: Signal; instrument: string }) {
  const orders = signal.orders.filter((order) => nameOf(order.instrument) === instrument)
  const ids = new Set(orders.map((order) => order.client_order_id))
  const fills = signal.fills
    .filter((fill) => ids.has(fill.client_order_id))
    .map(({ occurred_at, price, side, quantity }) => ({ at: occurred_at, price, side, quantity }))
  // Of several accounts the price is that of the first one's broker.
  const first = signal.fills.find((fill) => ids.has(fill.client_order_id))
  const leg = signal.legs.find((each) => nameOf(each.instrument) === instrument)
  const known: [string, string | null | undefined][] = [
    ['sender saw', leg?.reference_price],
    ['limit', leg?.limit_price],
    ['stop', leg?.stop_price],
    ['stop loss', leg?.stop_loss],
    ['take profit', leg?.take_profit],
  ]
  const lines = known.flatMap(([name, price]) => (price ? [{ name, price }] : []))
  return (
    <div>
      <Text fz="sm" fw={600}>
        {instrument}
      </Text>
      <FillsOnPrice
        accountId={first?.account_id ?? ''}
        instrumentKey={first?.instrument_key ?? ''}
        label={`${fills.length} fills of ${instrument} on its price`}
        fills={fills}
        lines={lines}
      />
    </div>
  )
}

const nameOf = instrumentWords

function instrumentsOf(signal: Signal): string[] {
  const filled = new Set(signal.fills.map((fill) => fill.client_order_id))
  const orders = signal.orders.filter((order) => filled.has(order.client_order_id))
  return [...new Set(orders.map((order) => nameOf(order.instrument)))]
}

function factsOf(signal: Signal): [string, React.ReactNode][] {
  const pnl = signal.fills.reduce((sum, fill) => sum + Number(fill.realized_pnl), 0)
  return [
    [
      'Strategy',
      <Anchor
        key="strategy"
        component={Link}
        fz="inherit"
        to={`/strategies/${encodeURIComponent(signal.strategy_id)}`}
      >
        {signal.strategy_id}
      </Anchor>,
    ],
    ['Type', signal.intent ? words(signal.intent) : 'not said'],
    ['Legs', signal.legs.map(legWords).join(', ') || '–'],
    ['Received', <TimeText key="received" at={signal.received_at} relative={false} />],
    ['Came by', signal.paths.map((path) => path.source).join(', ') || '–'],
    ["Sender's id", signal.external_id ?? '–'],
    ["Sender's equity", <Money key="equity" value={signal.sender_equity} />],
    ['Environment', signal.environment ?? '–'],
    ['Realized P&L', signal.fills.length ? <Pnl key="pnl" value={pnl} /> : '–'],
    ['Our id', signal.signal_id],
    ...linked('Replay of', signal.replay_of ? [signal.replay_of] : []),
    ...linked('Replayed as', signal.replays),
  ]
}

function linked(name: string, ids: readonly string[]): [string, React.ReactNode][] {
  if (ids.length === 0) return []
  const links = ids.map((id) => (
    <Anchor key={id} component={Link} fz="inherit" to={`/signals/${id}`} display="block">
      {id}
    </Anchor>
  ))
  return [[name, links]]
}
