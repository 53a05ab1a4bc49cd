import { Button, Group } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { Confirmation } from '@/components/confirm'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { ModifyOrder } from './modify-order'
import { factsOf, type Order } from './order-facts'
import { ResolveOrder } from './resolve-order'

const AT_BROKER = new Set(['SUBMITTED', 'PARTIALLY_FILLED'])

/** What a person may do with an order; each act says once more what it would do. */
export function OrderActions({ order, compact = false }: { order: Order; compact?: boolean }) {
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const [modifying, setModifying] = useState(false)
  const [resolving, setResolving] = useState(false)
  if (!mayTrade || !order.working) return null
  const size = compact ? 'compact-xs' : 'xs'

  const cancel: Confirmation = {
    title: 'Cancel this order',
    facts: factsOf(order),
    reason: true,
    action: 'Cancel the order',
    danger: true,
    act: async (reason) => {
      const { data } = await dashboards.POST('/api/v1/orders/{order_id}/cancel', {
        params: { path: { order_id: order.client_order_id } },
        body: { reason },
      })
      notifications.show({ message: data?.sentence })
      await refresh('/api/v1/orders')
    },
  }
  return (
    // A click on a button in a row is not one on the row.
    // biome-ignore lint/a11y/noStaticElementInteractions: stops clicks, does nothing itself
    // biome-ignore lint/a11y/useKeyWithClickEvents: stops clicks, does nothing itself
    <div onClick={(event) => event.stopPropagation()}>
      <Group gap={4} wrap="nowrap">
        {AT_BROKER.has(order.status) && (
          <Button size={size} variant="default" onClick={() => setModifying(true)}>
            Modify
          </Button>
        )}
        {order.status === 'UNKNOWN' ? (
          <Button size={size} variant="default" color="red" onClick={() => setResolving(true)}>
            Resolve
          </Button>
        ) : (
          order.status !== 'CANCEL_PENDING' && (
            <Button size={size} variant="default" onClick={() => ask(cancel)}>
              Cancel
            </Button>
          )
        )}
      </Group>
      {question}
      {modifying && <ModifyOrder order={order} close={() => setModifying(false)} />}
      {resolving && <ResolveOrder order={order} close={() => setResolving(false)} />}
    </div>
  )
}
