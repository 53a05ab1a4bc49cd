import { Radio, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Confirm } from '@/components/confirm'
import { useRefresh } from '@/lib/use-refresh'
import { factsOf, type Order } from './order-facts'

type Resolution = components['schemas']['Resolution']

/** Decide on an order without a known outcome, by what the broker's own screen shows. */
export function ResolveOrder({ order, close }: { order: Order; close: () => void }) {
  const [decision, setDecision] = useState<Resolution>('ABSENT')
  const refresh = useRefresh()
  const choice = (
    <Radio.Group
      value={decision}
      onChange={(value) => setDecision(value as Resolution)}
      aria-label="what to do"
    >
      <Stack gap={6}>
        <Radio value="ABSENT" label="The broker does not have it: give it up" />
        <Radio value="RESEND" label="The broker does not have it: send it again" />
        <Text fz="xs" c="dimmed">
          Look at the broker's own screen first. Sent again although the broker has it, it is
          doubled.
        </Text>
      </Stack>
    </Radio.Group>
  )
  return (
    <Confirm
      close={close}
      asked={{
        title: 'What became of this order?',
        facts: [...factsOf(order), ['Decision', choice]],
        reason: true,
        word: decision === 'RESEND' ? 'RESEND' : undefined,
        action: decision === 'RESEND' ? 'Send it again' : 'Give it up',
        danger: true,
        act: async (reason) => {
          const { data } = await dashboards.POST('/api/v1/orders/{order_id}/resolve', {
            params: { path: { order_id: order.client_order_id } },
            body: {
              decision,
              confirm: { side: order.side, quantity: order.quantity },
              reason,
            },
          })
          notifications.show({ message: data?.sentence })
          await refresh('/api/v1/orders')
        },
      }}
    />
  )
}
