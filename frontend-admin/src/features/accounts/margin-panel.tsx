import { Text } from '@mantine/core'
import { $dashboards } from '@/api/client'
import { Meter } from '@/components/meter'
import { Panel } from '@/components/panel'
import { amount, percent } from '@/lib/format'
import { marginUse } from './accounts-page'
import type { Account } from './types'

/** Margin in use against the limit that holds for this account. */
export function MarginPanel({ account }: { account: Account }) {
  const { data } = $dashboards.useQuery('get', '/api/v1/limits')
  const of = (id: string) =>
    data?.limits.find((set) => set.scope === 'ACCOUNT' && set.scope_id === id)?.max_margin_ratio
  const limit = of(account.account_id) ?? of('*')
  const used = marginUse(account)
  return (
    <Panel title="Margin">
      <Meter
        label={`Margin of ${account.account_id}`}
        used={used}
        limit={limit ? Number(limit) : null}
      />
      <Text fz="sm" mt={4}>
        {amount(account.initial_margin)} {account.currency} initial ({percent(used)} of the equity),{' '}
        {amount(account.maintenance_margin)} maintenance;{' '}
        {limit ? `limit ${percent(limit, 0)}` : 'no limit of its own'}
      </Text>
    </Panel>
  )
}
