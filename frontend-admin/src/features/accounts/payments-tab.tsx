import { Button, Checkbox, Group, SegmentedControl, Stack, TextInput } from '@mantine/core'
import { useState } from 'react'
import { $accounts, accounts } from '@/api/client'
import { Pnl } from '@/components/money'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { isDecimal } from '@/lib/decimal'
import { amount, exact } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import type { Account, Flow } from './types'

/** Payments are no gain and no loss: entered here, they leave performance alone. */
export function PaymentsTab({ account }: { account: Account }) {
  const { ask, question } = useAsk()
  const mayConfigure = useMay('CONFIGURE')
  const query = $accounts.useQuery('get', '/api/v1/accounts/{account_id}/flows', {
    params: { path: { account_id: account.account_id } },
  })
  return (
    <Stack gap="md">
      {mayConfigure && <NewPayment account={account} ask={ask} />}
      <Panel title="Deposits and withdrawals">
        <Loaded query={query} what="Payments" rows={4}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty>No payment was entered yet.</Empty>
            ) : (
              <Payments account={account} rows={rows} mayChange={mayConfigure} ask={ask} />
            )
          }
        </Loaded>
      </Panel>
      {question}
    </Stack>
  )
}

function Payments({
  account,
  rows,
  mayChange,
  ask,
}: {
  account: Account
  rows: Flow[]
  mayChange: boolean
  ask: ReturnType<typeof useAsk>['ask']
}) {
  const refresh = useRefresh()
  const word = account.account_type === 'LIVE' ? 'LIVE' : undefined
  const facts = (row: Flow): [string, string][] => [
    ['Account', `${account.account_id}, ${account.account_type}`],
    ['Payment', row.flow_id],
    ['Amount', `${exact(row.amount)} ${row.currency}`],
  ]
  function settle(row: Flow) {
    ask({
      title: 'It has arrived',
      facts: [...facts(row), ['Arrived', 'now, by the broker’s figures']],
      reason: true,
      word,
      action: 'Confirm arrival',
      act: async (reason) => {
        await accounts.POST('/api/v1/accounts/{account_id}/flows/{flow_id}/settle', {
          params: { path: { account_id: account.account_id, flow_id: row.flow_id } },
          body: { at: new Date().toISOString(), reason },
        })
        await refresh('/api/v1/account')
      },
    })
  }
  function reverse(row: Flow) {
    ask({
      title: 'Take this payment back',
      facts: [...facts(row), ['Then', 'both stay in the list, neither counts']],
      reason: true,
      word,
      danger: true,
      action: 'Reverse',
      act: async (reason) => {
        await accounts.POST('/api/v1/accounts/{account_id}/flows/{flow_id}/reverse', {
          params: { path: { account_id: account.account_id, flow_id: row.flow_id } },
          body: { flow_id: `${row.flow_id}-reversed`, reason },
        })
        await refresh('/api/v1/account')
      },
    })
  }
  return (
    <SmallTable
      label="Deposits and withdrawals"
      rows={rows}
      keyOf={(row) => row.flow_id}
      columns={[
        { name: 'id', title: 'Payment', cell: (row) => row.flow_id },
        {
          name: 'amount',
          title: 'Amount',
          numeric: true,
          cell: (row) => (
            <>
              <Pnl value={row.amount} /> {row.currency}
            </>
          ),
        },
        { name: 'status', title: 'Status', cell: (row) => <StatusBadge status={row.status} /> },
        { name: 'at', title: 'Of', cell: (row) => <TimeText at={row.effective_at} /> },
        { name: 'by', title: 'By', wide: true, cell: (row) => `${row.by}: ${row.reason}` },
        {
          name: 'act',
          title: '',
          cell: (row) =>
            mayChange &&
            row.status !== 'REVERSED' &&
            !row.reverses && (
              <Group gap={6} wrap="nowrap" justify="flex-end">
                {row.status === 'PENDING' && (
                  <Button variant="default" size="compact-xs" onClick={() => settle(row)}>
                    Arrived
                  </Button>
                )}
                <Button variant="default" size="compact-xs" onClick={() => reverse(row)}>
                  Reverse
                </Button>
              </Group>
            ),
        },
      ]}
    />
  )
}

function NewPayment({ account, ask }: { account: Account; ask: ReturnType<typeof useAsk>['ask'] }) {
  const [way, setWay] = useState('Deposit')
  const [id, setId] = useState('')
  const [sum, setSum] = useState('')
  const [large, setLarge] = useState(false)
  const refresh = useRefresh()
  const valid = isDecimal(sum) && Number(sum) > 0
  const signed = way === 'Deposit' ? sum.trim() : `-${sum.trim()}`

  function open() {
    ask({
      title: way,
      facts: [
        ['Account', `${account.account_id}, ${account.account_type}`],
        ['Money', `${way.toLowerCase()} of ${amount(sum)} ${account.currency}`],
        ['Id', id],
        ['Then', 'it waits until the broker’s figures show it'],
      ],
      reason: true,
      word: account.account_type === 'LIVE' ? 'LIVE' : undefined,
      action: `Enter the ${way.toLowerCase()}`,
      act: async (reason) => {
        await accounts.POST('/api/v1/accounts/{account_id}/flows', {
          params: { path: { account_id: account.account_id } },
          body: { flow_id: id.trim(), amount: signed, confirm_large: large, reason },
        })
        setId('')
        setSum('')
        await refresh('/api/v1/account')
      },
    })
  }

  return (
    <Panel title="Enter a payment">
      <Group gap="xs" align="end">
        <SegmentedControl
          size="xs"
          aria-label="Direction"
          data={['Deposit', 'Withdrawal']}
          value={way}
          onChange={setWay}
        />
        <TextInput
          label={`Amount, ${account.currency}`}
          inputMode="decimal"
          value={sum}
          error={sum !== '' && !valid && 'above 0'}
          onChange={(event) => setSum(event.currentTarget.value)}
          w={140}
        />
        <TextInput
          label="Id, yours"
          placeholder="wire-2026-11-20"
          value={id}
          onChange={(event) => setId(event.currentTarget.value)}
          w={180}
        />
        <Checkbox
          size="xs"
          label="It is meant, however large"
          checked={large}
          onChange={(event) => setLarge(event.currentTarget.checked)}
        />
        <Button onClick={open} disabled={!valid || id.trim() === ''}>
          Enter it
        </Button>
      </Group>
    </Panel>
  )
}
