import { Alert, Button, Group, Modal, Stack, Table, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import { sentenceOf } from '@/api/problem'
import { useRefresh } from '@/lib/use-refresh'
import { factsOf, type Order } from './order-facts'

/** Other terms for an order that works: a smaller quantity, other prices; what is empty stays. */
export function ModifyOrder({ order, close }: { order: Order; close: () => void }) {
  const [quantity, setQuantity] = useState(order.quantity)
  const [limit, setLimit] = useState(order.limit_price ?? '')
  const [stop, setStop] = useState(order.stop_price ?? '')
  const [reason, setReason] = useState('')
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const refresh = useRefresh()
  const changes = {
    quantity: changed(quantity, order.quantity),
    limit_price: changed(limit, order.limit_price),
    stop_price: changed(stop, order.stop_price),
  }
  const some = Object.values(changes).some((value) => value !== undefined)

  async function act() {
    setBusy(true)
    setFailure(null)
    try {
      const { data } = await dashboards.POST('/api/v1/orders/{order_id}/modify', {
        params: { path: { order_id: order.client_order_id } },
        body: { ...changes, reason: reason.trim() },
      })
      notifications.show({ message: data?.sentence })
      await refresh('/api/v1/orders')
      close()
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }

  return (
    <Modal opened onClose={close} title="Modify this order" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (some && reason.trim() && !busy) void act()
        }}
      >
        <Stack gap="sm">
          <Table variant="vertical" withTableBorder>
            <Table.Tbody>
              {factsOf(order).map(([name, fact]) => (
                <Table.Tr key={name}>
                  <Table.Th w={130}>{name}</Table.Th>
                  <Table.Td>{fact}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          <TextInput
            label="Quantity"
            description="only smaller: more would be a new decision"
            inputMode="decimal"
            value={quantity}
            onChange={(event) => setQuantity(event.currentTarget.value)}
          />
          {order.limit_price != null && (
            <TextInput
              label="Limit price"
              inputMode="decimal"
              value={limit}
              onChange={(event) => setLimit(event.currentTarget.value)}
            />
          )}
          {order.stop_price != null && (
            <TextInput
              label="Stop price"
              inputMode="decimal"
              value={stop}
              onChange={(event) => setStop(event.currentTarget.value)}
            />
          )}
          <TextInput
            label="Reason"
            required
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          {failure !== null && (
            <Alert color="red" variant="light" role="alert">
              {sentenceOf(failure)}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" disabled={!some || !reason.trim()} loading={busy}>
              Modify the order
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** What is to be sent of a field: nothing where it is as before. */
function changed(text: string, before: string | null | undefined): string | undefined {
  const value = text.trim()
  return value === '' || value === before ? undefined : value
}
