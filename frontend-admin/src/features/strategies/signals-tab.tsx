import { Anchor, Group } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import type { Filter } from '@/components/filter-bar'
import { SignalList } from '@/components/signal-list'
import { words } from '@/lib/format'

const STATUSES: components['schemas']['SignalStatus'][] = [
  'WORKING',
  'COMPLETED',
  'DENIED',
  'REJECTED',
  'CANCELED',
  'EXPIRED',
  'QUARANTINED',
]
const FILTERS: Filter[] = [
  { name: 'q', label: 'Id or symbol' },
  {
    name: 'status',
    label: 'Status',
    options: STATUSES.map((value) => ({ value, label: words(value) })),
  },
  { name: 'since', label: 'From', type: 'date', width: 130 },
  { name: 'until', label: 'To', type: 'date', width: 130 },
]

/** The signals of this strategy; its orders and positions are a click away. */
export function SignalsTab({ strategyId }: { strategyId: string }) {
  const of = `strategy_id=${encodeURIComponent(strategyId)}`
  return (
    <>
      <Group gap="md" mb="sm">
        <Anchor component={Link} to={`/orders?view=all&${of}`} fz="sm">
          Its orders
        </Anchor>
        <Anchor component={Link} to={`/positions?by=strategy&${of}`} fz="sm">
          Its positions
        </Anchor>
      </Group>
      <SignalList filters={FILTERS} strategyId={strategyId} />
    </>
  )
}
