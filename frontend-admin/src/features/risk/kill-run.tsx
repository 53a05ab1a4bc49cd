import { Alert, Button, List, Stack, Table, Text } from '@mantine/core'
import { useEffect, useRef } from 'react'
import { $gateway } from '@/api/client'
import { Panel } from '@/components/panel'
import { scopeWords } from '@/components/scope-fields'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { exact } from '@/lib/format'
import { useNow } from '@/lib/use-now'
import {
  type AccountKill,
  countWords,
  headline,
  isOpen,
  type KillRun,
  type Proof,
  proofOf,
  totalOf,
} from './proof'

/** The stream tells of each step; this is for when it is cut. */
const WHILE_OPEN = 10_000

/** A run, looked at again while it is open and in sight, until the broker has proven it. */
export function KillRunPanel({ runId, close }: { runId: string; close: () => void }) {
  const query = $gateway.useQuery(
    'get',
    '/api/v1/kill/{run_id}',
    { params: { path: { run_id: runId } } },
    { refetchInterval: ({ state }) => (state.data && isOpen(state.data) ? WHILE_OPEN : false) },
  )
  return (
    <Loaded query={query} what="The run" rows={4}>
      {(run) => <Run run={run} close={close} />}
    </Loaded>
  )
}

function Run({ run, close }: { run: KillRun; close: () => void }) {
  const now = useNow(1000)
  const seen = useRef(new Map<string, Proof>())
  const proofs = run.accounts.map((account) =>
    proofOf(account, seen.current.get(`${run.run_id}|${account.account_id}`)),
  )
  useEffect(() => {
    run.accounts.forEach((account, place) => {
      const proof = proofs[place]
      if (proof) seen.current.set(`${run.run_id}|${account.account_id}`, proof)
    })
  })
  return (
    <Panel
      title={`${run.stage}: ${scopeWords(run.scope, run.scope_id ?? '')}`}
      actions={
        <Button variant="default" onClick={close}>
          Close
        </Button>
      }
    >
      <Stack gap="sm">
        <Alert
          color={run.state === 'DONE' ? 'green' : run.state === 'RUNNING' ? 'blue' : 'yellow'}
          variant="light"
          role="status"
          aria-live="polite"
        >
          <Text fw={700} fz="lg">
            {headline(run, totalOf(proofs), now)}
          </Text>
          <Text fz="sm">
            Asked by {run.by} <TimeText at={run.requested_at} />: {run.reason}
          </Text>
        </Alert>
        <Accounts run={run} proofs={proofs} />
        <Remaining accounts={run.accounts} />
        <Outcomes accounts={run.accounts} />
      </Stack>
    </Panel>
  )
}

function Accounts({ run, proofs }: { run: KillRun; proofs: Proof[] }) {
  return (
    <Table.ScrollContainer minWidth={520}>
      <Table aria-label="Proof by account">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Account</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Orders</Table.Th>
            <Table.Th>Positions</Table.Th>
            <Table.Th>Broker asked</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {run.accounts.map((account, place) => {
            const proof = proofs[place]
            return (
              <Table.Tr key={account.account_id}>
                <Table.Td fw={600}>{account.account_id}</Table.Td>
                <Table.Td>
                  <StatusBadge status={account.state} />
                </Table.Td>
                <Table.Td>{proof ? countWords('', proof.orders) : '–'}</Table.Td>
                <Table.Td>{proof ? countWords('', proof.positions) : '–'}</Table.Td>
                <Table.Td>{account.trouble || <TimeText at={account.broker_asked_at} />}</Table.Td>
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function Remaining({ accounts }: { accounts: AccountKill[] }) {
  const lines = accounts.flatMap((account) => [
    ...account.remaining.map((each) => `${account.account_id}: ${each.what}, ${each.why}`),
    ...account.notes.map((note) => `${account.account_id}: ${note}`),
  ])
  if (lines.length === 0) return null
  return (
    <div>
      <Text fz="sm" fw={600}>
        What remains, and what to know
      </Text>
      <List size="sm">
        {lines.map((line) => (
          <List.Item key={line}>{line}</List.Item>
        ))}
      </List>
    </div>
  )
}

function Outcomes({ accounts }: { accounts: AccountKill[] }) {
  const rows = accounts.flatMap((account) =>
    [...account.orders, ...account.closings].map((order) => ({ account, order })),
  )
  if (rows.length === 0) return null
  return (
    <details>
      <summary>{rows.length} orders canceled or made to close</summary>
      <List size="sm" mt={4}>
        {rows.map(({ account, order }) => (
          <List.Item key={order.client_order_id}>
            {order.side} {exact(order.quantity)} {order.symbol} in {account.account_id},{' '}
            {order.status.toLowerCase()}, filled {exact(order.filled_quantity)}
            {'price' in order && order.price ? ` at ${exact(String(order.price))}` : ''}
          </List.Item>
        ))}
      </List>
    </details>
  )
}
