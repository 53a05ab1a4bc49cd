import { Group, SegmentedControl, Switch } from '@mantine/core'
import { dashboards } from '@/api/client'
import type { operations } from '@/api/dashboard-creator'
import type { Filter } from '@/components/filter-bar'
import { ListPage } from '@/components/list-page'
import { Page } from '@/components/page'
import { Empty } from '@/components/states'
import { useStrategyNames } from '@/lib/use-strategy-names'
import { useUrlState } from '@/lib/use-url-state'
import { By, columnsOf, keyOf } from './columns'
import { FlattenAll } from './flatten-all'

type Query = operations['get_positions']['parameters']['query']

/** What is held: by strategy, by account, or by instrument. */
export function PositionsPage() {
  const strategies = useStrategyNames()
  const [said, setBy] = useUrlState('by', 'strategy')
  const by = Object.values(By).find((each) => each === said) ?? By.strategy
  const [flat, setFlat] = useUrlState('flat')
  const filters: Filter[] = [
    { name: 'strategy_id', label: 'Strategy', options: strategies },
    { name: 'account_id', label: 'Account', width: 120 },
    { name: 'instrument', label: 'Instrument' },
  ]
  return (
    <Page
      title="Positions"
      actions={
        <Group gap="sm">
          <FlattenAll />
          <Switch
            size="xs"
            label="flat ones too"
            checked={flat === 'yes'}
            onChange={(event) => setFlat(event.currentTarget.checked ? 'yes' : null)}
          />
          <SegmentedControl
            size="xs"
            aria-label="positions by"
            value={by}
            onChange={setBy}
            data={[
              { value: By.strategy, label: 'By strategy' },
              { value: By.account, label: 'By account' },
              { value: By.instrument, label: 'By instrument' },
            ]}
          />
        </Group>
      }
    >
      <ListPage
        key={by}
        label="positions"
        path="/api/v1/positions"
        filters={filters}
        always={{ by, open_only: flat === 'yes' ? 'false' : 'true' }}
        columns={columnsOf(by)}
        keyOf={keyOf}
        tone={(row) =>
          row.reconciled?.state === 'DIFFERS' || row.reconciled?.state === 'LOCKED'
            ? 'var(--mantine-color-red-light)'
            : undefined
        }
        csv="/api/dashboard_creator/v1/positions.csv"
        load={async (query, before, signal) => {
          const asked = { ...query, before, limit: 200 } as Query
          const { data } = await dashboards.GET('/api/v1/positions', {
            params: { query: asked },
            signal,
          })
          return data ?? { rows: [] }
        }}
        empty={
          <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --follow">
            Nothing is held. A filled entry makes a position:
          </Empty>
        }
      />
    </Page>
  )
}
