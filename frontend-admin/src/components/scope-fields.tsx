import { Autocomplete, Select } from '@mantine/core'
import { $accounts } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { useStrategyNames } from '@/lib/use-strategy-names'

export type Scope = components['schemas']['Scope']

const SCOPES: { value: Scope; label: string }[] = [
  { value: 'GLOBAL', label: 'Everything' },
  { value: 'ACCOUNT', label: 'One account' },
  { value: 'STRATEGY', label: 'One strategy' },
  { value: 'INSTRUMENT', label: 'One instrument' },
  { value: 'ASSET_CLASS', label: 'One asset class' },
]
const CLASSES = ['STOCK', 'ETF', 'FUTURE', 'OPTION', 'FOREX', 'CRYPTO']

/** What something holds for: everything, or one of its parts by name. */
export function ScopeFields({
  scope,
  id,
  change,
  everyAccount = false,
}: {
  scope: Scope
  id: string
  change: (scope: Scope, id: string) => void
  /** Offer `*`, all accounts without limits of their own. */
  everyAccount?: boolean
}) {
  const accounts = $accounts.useQuery('get', '/api/v1/accounts')
  const strategies = useStrategyNames()
  const names: Record<Scope, string[]> = {
    GLOBAL: [],
    ACCOUNT: [
      ...(everyAccount ? ['*'] : []),
      ...(accounts.data ?? []).map((each) => each.account_id),
    ],
    STRATEGY: strategies,
    INSTRUMENT: [],
    ASSET_CLASS: CLASSES,
  }
  return (
    <>
      <Select
        label="For"
        data={SCOPES}
        value={scope}
        allowDeselect={false}
        onChange={(chosen) => change(chosen as Scope, '')}
        w={150}
      />
      {scope !== 'GLOBAL' && (
        <Autocomplete
          size="xs"
          label={scope === 'INSTRUMENT' ? 'Symbol' : 'Which'}
          data={names[scope]}
          value={id}
          onChange={(typed) => change(scope, typed)}
          required
          w={180}
        />
      )}
    </>
  )
}

/** A scope as people say it. */
export function scopeWords(scope: Scope, id: string): string {
  if (scope === 'GLOBAL') return 'everything'
  if (scope === 'ACCOUNT' && id === '*') return 'every account without limits of its own'
  return `${scope.toLowerCase().replace('_', ' ')} ${id}`
}
