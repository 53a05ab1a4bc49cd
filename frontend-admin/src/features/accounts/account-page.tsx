import { Alert, Button, Group, Text } from '@mantine/core'
import { useState } from 'react'
import { useParams } from 'react-router'
import { $accounts, accounts } from '@/api/client'
import { sentenceOf } from '@/api/problem'
import { KeyFacts } from '@/components/key-facts'
import { ModeBadge } from '@/components/mode-badge'
import { Money, Pnl } from '@/components/money'
import { Page } from '@/components/page'
import { Loaded } from '@/components/states'
import { UrlTabs } from '@/components/url-tabs'
import { percent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { AccountBadge } from './accounts-page'
import { AgeText } from './age-text'
import { AtBroker } from './at-broker'
import { EquityPanel } from './equity-panel'
import { JumpAlert } from './jump-alert'
import { MarginPanel } from './margin-panel'
import { PaymentsTab } from './payments-tab'
import { SetupTab } from './setup-tab'
import type { Account } from './types'

/** One account: its figures with their age, what is held there, payments and set-up. */
export function AccountPage() {
  const { id = '' } = useParams()
  const query = $accounts.useQuery('get', '/api/v1/accounts/{account_id}', {
    params: { path: { account_id: id } },
  })
  return (
    <Page title={id} actions={<SyncButton accountId={id} />}>
      <Loaded query={query} what={`Account ${id}`} rows={10}>
        {(account) => <Detail account={account} />}
      </Loaded>
    </Page>
  )
}

function Detail({ account }: { account: Account }) {
  const id = account.account_id
  return (
    <>
      <Group gap="xs">
        <ModeBadge mode={account.account_type} />
        <AccountBadge row={account} />
        <Text fz="sm" c="dimmed">
          {[account.broker, account.account_name].filter(Boolean).join(' · ')} · figures of{' '}
        </Text>
        <AgeText at={account.as_of} stale={account.stale} />
      </Group>
      {account.poll_error && (
        <Alert color="yellow" variant="light" role="status" title="The broker does not answer">
          {account.poll_error.sentence}. The figures below are the last good ones
          {account.stale ? '; entries are denied' : ''}.
        </Alert>
      )}
      {account.jump && <JumpAlert account={account} jump={account.jump} />}
      <div className={account.stale ? 'stale' : undefined}>
        <KeyFacts
          facts={[
            [`Equity, ${account.currency}`, <Money key="e" value={account.equity} />],
            ['Today', <Pnl key="t" value={account.daily_pnl} />],
            ['Drawdown', percent(account.drawdown_ratio)],
            ['Cash', <Money key="c" value={account.cash} />],
            ['Available', <Money key="a" value={account.available_funds} />],
            ['Buying power', <Money key="b" value={account.buying_power} />],
            ['Unrealized', <Pnl key="u" value={account.unrealized_pnl} />],
            ['Realized', <Pnl key="r" value={account.realized_pnl} />],
            ['Paid in, net', <Money key="f" value={account.flow_total} />],
          ]}
        />
      </div>
      <MarginPanel account={account} />
      <UrlTabs
        label={`Parts of ${id}`}
        tabs={[
          { value: 'equity', title: 'Equity', content: <EquityPanel account={account} /> },
          { value: 'broker', title: 'At the broker', content: <AtBroker accountId={id} /> },
          {
            value: 'payments',
            title: 'Deposits and withdrawals',
            content: <PaymentsTab account={account} />,
          },
          { value: 'setup', title: 'Set-up', content: <SetupTab account={account} /> },
        ]}
      />
    </>
  )
}

function SyncButton({ accountId }: { accountId: string }) {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>(null)
  const refresh = useRefresh()
  const mayTrade = useMay('TRADE')
  if (!mayTrade) return null
  async function sync() {
    setBusy(true)
    setFailure(null)
    try {
      const params = { path: { account_id: accountId } }
      await accounts.POST('/api/v1/accounts/{account_id}/sync', { params })
      await refresh('/api/v1/account')
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      {failure !== null && (
        <Text fz="sm" c="red" role="alert">
          {sentenceOf(failure)}
        </Text>
      )}
      <Button variant="default" onClick={sync} loading={busy}>
        Ask the broker now
      </Button>
    </>
  )
}
