import { Anchor, Button, Card, Group, Progress, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { Link } from 'react-router'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Exact, Money } from '@/components/money'
import { SmallTable } from '@/components/small-table'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { Waterfall } from '@/components/waterfall'
import { amount, exact, words } from '@/lib/format'
import { plain } from '@/lib/instrument'
import { useMay } from '@/lib/session'
import { useNow } from '@/lib/use-now'
import { useRefresh } from '@/lib/use-refresh'

type Request = components['schemas']['ApprovalView']
type Answer = components['schemas']['ApprovalAnswer']

const ACTS: Record<Answer, { button: string; title: string; danger: boolean }> = {
  APPROVE: { button: 'Approve', title: 'Approve this entry', danger: false },
  HALF: { button: 'Half', title: 'Approve half of this entry', danger: false },
  REJECT: { button: 'Reject', title: 'Reject this entry', danger: true },
}

/** One entry that waits: what it is, how it came to its size, and how long there is to answer. */
export function ApprovalCard({ request, chosen }: { request: Request; chosen: boolean }) {
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()

  function open(answer: Answer) {
    const { title, button, danger } = ACTS[answer]
    ask({
      title,
      facts: [
        ['Strategy', request.strategy_id],
        ...request.orders.map((each) => factOf(each, answer)),
      ],
      reason: true,
      action: button,
      danger,
      act: async (reason) => {
        const { data } = await dashboards.POST('/api/v1/approvals/{signal_id}', {
          params: { path: { signal_id: request.signal_id } },
          body: { answer, reason },
        })
        notifications.show({ message: `${request.strategy_id}: ${words(data?.status ?? answer)}` })
        await refresh('/api/v1/approvals', '/api/v1/overview', '/api/v1/frame')
      },
    })
  }

  return (
    <Card
      withBorder
      padding="sm"
      component="article"
      id={request.signal_id}
      aria-label={request.sentence}
      style={chosen ? { borderColor: 'var(--mantine-primary-color-filled)' } : undefined}
    >
      <Stack gap="sm">
        <Text fz="lg">{request.sentence}</Text>
        <Text fz="xs" c="dimmed">
          <Anchor
            component={Link}
            fz="inherit"
            underline="always"
            to={`/signals/${request.signal_id}`}
          >
            {request.strategy_id}
          </Anchor>{' '}
          asked <TimeText at={request.asked_at} />
        </Text>
        <Countdown request={request} />
        <SmallTable
          label="what would be ordered"
          rows={request.orders}
          keyOf={(each) => `${each.account_id}|${each.leg_index}`}
          columns={[
            { name: 'account', title: 'Account', cell: (each) => each.account_id },
            { name: 'what', title: 'Order', cell: (each) => `${each.side} ${each.symbol}` },
            {
              name: 'quantity',
              title: 'Quantity',
              numeric: true,
              cell: (each) => <Exact value={plain(each.quantity)} />,
            },
            { name: 'type', title: 'Terms', cell: (each) => termsOf(each), wide: true },
            {
              name: 'money',
              title: 'Money',
              numeric: true,
              cell: (each) => <Money value={each.notional} digits={0} />,
            },
          ]}
        />
        <details>
          <summary>How it came to this size</summary>
          <Waterfall decision={request.preview} />
        </details>
        {mayTrade && (
          <Group gap="xs">
            <Button onClick={() => open('APPROVE')}>Approve</Button>
            <Button variant="default" onClick={() => open('HALF')}>
              Half
            </Button>
            <Button variant="default" color="red" onClick={() => open('REJECT')}>
              Reject
            </Button>
          </Group>
        )}
      </Stack>
      {question}
    </Card>
  )
}

function Countdown({ request }: { request: Request }) {
  const now = useNow(1000)
  const ends = Date.parse(request.expires_at)
  const whole = Math.max(1, ends - Date.parse(request.asked_at))
  const left = Math.max(0, ends - now)
  const then = request.on_timeout === 'APPROVE' ? 'approved' : 'rejected'
  const text = left > 0 ? `${clock(left)} left, then it is ${then}` : `its time is up: ${then}`
  return (
    <div>
      <Text fz="sm" fw={600} role="timer" className={left < 60_000 ? 'down' : undefined}>
        {text}
      </Text>
      <Progress
        value={(left / whole) * 100}
        size="sm"
        color={left < 60_000 ? 'red' : undefined}
        aria-label={text}
      />
    </div>
  )
}

function clock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function termsOf(each: Request['orders'][number]): string {
  return [words(each.order_type), each.limit_price && exact(each.limit_price)]
    .filter(Boolean)
    .join(' ')
}

function factOf(each: Request['orders'][number], answer: Answer): [string, string] {
  const half = answer === 'HALF' ? 'half of ' : ''
  return [
    each.account_id,
    `${each.side} ${half}${exact(plain(each.quantity))} ${each.symbol}, ${half}${amount(each.notional, 0)}`,
  ]
}
