import { Alert, Anchor, List, Text } from '@mantine/core'
import { IconAlertOctagon } from '@tabler/icons-react'
import { Link } from 'react-router'
import { $dashboards } from '@/api/client'
import { orderWords } from '@/components/order-tables'
import { TimeText } from '@/components/time-text'

/** On top of all: orders of which nobody knows what became of them, and what is done about it. */
export function UnknownOrders() {
  const { data } = $dashboards.useQuery('get', '/api/v1/orders', {
    params: { query: { status: 'UNKNOWN', working: true, limit: 50 } },
  })
  if (!data || data.rows.length === 0) return null
  const several = data.rows.length > 1
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertOctagon />}
      role="alert"
      title={
        several
          ? `The outcome of ${data.rows.length} orders is not known`
          : 'The outcome of an order is not known'
      }
    >
      <List fz="sm">
        {data.rows.map((order) => (
          <List.Item key={order.client_order_id}>
            <Anchor
              component={Link}
              fz="inherit"
              to={`/orders/${encodeURIComponent(order.client_order_id)}`}
            >
              {orderWords(order)}
            </Anchor>{' '}
            since <TimeText at={order.updated_at} />:{' '}
            {order.doing || 'the broker is being asked; nothing is sent again until it answers'}
          </List.Item>
        ))}
      </List>
      <Text fz="xs" mt={6}>
        Their entries are stopped where they could double. Open one to decide on it by what the
        broker's own screen shows.
      </Text>
    </Alert>
  )
}
