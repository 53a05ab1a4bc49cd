import { Anchor, Group, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import { $accounts } from '@/api/client'
import { ModeBadge } from '@/components/mode-badge'
import { Money, Pnl } from '@/components/money'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { UseBar } from '@/components/use-bar'
import { amount } from '@/lib/format'
import { useMay } from '@/lib/session'
import { AgeText } from './age-text'
import { NewAccount } from './new-account'
import type { Account, FundNode } from './types'

/** Fund → broker → account; paper and real money are never one sum. */
export function AccountsPage() {
  const query = $accounts.useQuery('get', '/api/v1/hierarchy')
  const mayConfigure = useMay('CONFIGURE')
  return (
    <Page title="Accounts" actions={mayConfigure && <NewAccount />}>
      <Loaded query={query} what="Accounts" rows={8}>
        {(funds) =>
          funds.length === 0 ? (
            <Empty command='python3 scripts/accounts.py add Mock-1 --broker MOCK --currency USD --reason "…"'>
              There is no account yet. Add one here, or at a terminal:
            </Empty>
          ) : (
            <Stack gap="md">
              {funds.map((fund) => (
                <Fund key={fund.account_type} fund={fund} />
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Page>
  )
}

function Fund({ fund }: { fund: FundNode }) {
  const { totals } = fund
  return (
    <Panel title={`${fund.account_type === 'LIVE' ? 'Real money' : 'Paper'}, ${totals.currency}`}>
      <Group gap="md" mb="xs">
        <ModeBadge mode={fund.account_type} />
        <Text fw={700}>
          {amount(totals.equity)} {totals.currency}
        </Text>
        <Text fz="sm">
          today <Pnl value={totals.daily_pnl} />
        </Text>
        <AgeText at={totals.as_of} stale={totals.stale} />
      </Group>
      {!totals.complete && (
        <Text fz="sm" c="dimmed" mb="xs">
          {totals.sentence}
        </Text>
      )}
      <Stack gap="sm">
        {fund.brokers.map((broker) => (
          <div key={broker.broker}>
            <Group justify="space-between">
              <Text fz="sm" fw={600}>
                {broker.broker}
              </Text>
              <Text fz="sm">
                {amount(broker.totals.equity)} {broker.totals.currency}
              </Text>
            </Group>
            <AccountsTable
              label={`Accounts at ${broker.broker}`}
              rows={broker.accounts.map((node) => node.account)}
            />
          </div>
        ))}
      </Stack>
    </Panel>
  )
}

function AccountsTable({ label, rows }: { label: string; rows: Account[] }) {
  return (
    <SmallTable
      label={label}
      rows={rows}
      keyOf={(row) => row.account_id}
      columns={[
        {
          name: 'account',
          title: 'Account',
          cell: (row) => (
            <Anchor
              component={Link}
              fz="inherit"
              fw={600}
              to={`/accounts/${encodeURIComponent(row.account_id)}`}
            >
              {row.account_id}
            </Anchor>
          ),
        },
        { name: 'state', title: 'State', cell: (row) => <AccountBadge row={row} /> },
        {
          name: 'equity',
          title: 'Equity',
          numeric: true,
          cell: (row) => (
            <span className={row.stale ? 'stale' : undefined}>
              <Money value={row.equity} /> {row.currency}
            </span>
          ),
        },
        {
          name: 'today',
          title: 'Today',
          numeric: true,
          wide: true,
          cell: (row) => <Pnl value={row.daily_pnl} />,
        },
        {
          name: 'margin',
          title: 'Margin',
          width: 140,
          cell: (row) => <UseBar used={marginUse(row)} label={`Margin of ${row.account_id}`} />,
        },
        {
          name: 'age',
          title: 'Figures of',
          cell: (row) => <AgeText at={row.as_of} stale={row.stale} />,
        },
      ]}
    />
  )
}

export function AccountBadge({ row }: { row: Pick<Account, 'status' | 'stale' | 'jump'> }) {
  if (row.jump) return <StatusBadge status="DOUBTED" />
  if (row.status !== 'ACTIVE') return <StatusBadge status={row.status} />
  return <StatusBadge status={row.stale ? 'STALE' : 'ACTIVE'} />
}

/** Initial margin as a part of the equity; null where either is not known. */
export function marginUse(row: Pick<Account, 'initial_margin' | 'equity'>): number | null {
  const [margin, equity] = [Number(row.initial_margin ?? Number.NaN), Number(row.equity ?? 0)]
  return Number.isFinite(margin) && equity > 0 ? margin / equity : null
}
