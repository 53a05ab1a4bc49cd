import type { components } from '@/api/dashboard-creator'
import type { Filter } from '@/components/filter-bar'
import { Page } from '@/components/page'
import { SignalList } from '@/components/signal-list'
import { words } from '@/lib/format'
import { useStrategyNames } from '@/lib/use-strategy-names'

const STATUSES: components['schemas']['SignalStatus'][] = [
  'RECEIVED',
  'STANDARDIZED',
  'DECIDED',
  'WORKING',
  'COMPLETED',
  'DENIED',
  'REJECTED',
  'CANCELED',
  'EXPIRED',
  'QUARANTINED',
]
const INTENTS: components['schemas']['Intent'][] = [
  'ENTRY',
  'EXIT',
  'SCALE_IN',
  'SCALE_OUT',
  'CANCEL',
]
const inWords = (value: string) => ({ value, label: words(value) })

/** Every signal, live: what came, what was decided, how fast, and what it made. */
export function SignalsPage() {
  const strategies = useStrategyNames()
  const filters: Filter[] = [
    { name: 'q', label: 'Id or symbol', width: 130 },
    { name: 'strategy_id', label: 'Strategy', options: strategies, width: 140 },
    { name: 'status', label: 'Status', options: STATUSES.map(inWords), width: 115 },
    { name: 'intent', label: 'Type', options: INTENTS.map(inWords), width: 95 },
    { name: 'account_id', label: 'Account', width: 90 },
    { name: 'since', label: 'From', type: 'date', width: 130 },
    { name: 'until', label: 'To', type: 'date', width: 130 },
  ]
  return (
    <Page title="Signals">
      <SignalList filters={filters} />
    </Page>
  )
}
