import { Button, Group, Select, Stack, Table, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { $gateway, gateway } from '@/api/client'
import type { components } from '@/api/signal-gateway'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { words } from '@/lib/format'
import { useNow } from '@/lib/use-now'
import { useRefresh } from '@/lib/use-refresh'
import { type Made, NewSecret } from './new-secret'

type Schemas = components['schemas']
type Credential = Schemas['CredentialView']
type Kind = Schemas['CredentialKind']

const KINDS: { value: Kind; label: string }[] = [
  { value: 'API_KEY', label: 'Key for the API' },
  { value: 'WEBHOOK_TOKEN', label: 'Webhook, e.g. TradingView' },
  { value: 'SIGNING_KEY', label: 'Signing key (HMAC)' },
]
const PATH = '/api/v1/strategies/{strategy_id}/credentials'
const DAY_SECONDS = 86_400

/** What opens the door for one strategy's signals; a secret is shown once, when it is made. */
export function CredentialsPanel({
  strategyId,
  mayChange,
}: {
  strategyId: string
  mayChange: boolean
}) {
  const [made, setMade] = useState<Made | null>(null)
  const [kind, setKind] = useState<Kind>('API_KEY')
  const [label, setLabel] = useState('')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const params = { path: { strategy_id: strategyId } }
  const query = $gateway.useQuery('get', PATH, { params })

  async function done(credential: Made | undefined) {
    if (credential) setMade(credential)
    setLabel('')
    await refresh(PATH, '/api/v1/strategies')
  }
  function askForNew() {
    ask({
      title: 'New credential',
      facts: [
        ['Strategy', strategyId],
        ['Kind', KINDS.find((each) => each.value === kind)?.label ?? kind],
        ['Label', label || 'none'],
        ['Whoever has it', `sends signals as ${strategyId}`],
      ],
      action: 'Make it',
      act: async () => done((await gateway.POST(PATH, { params, body: { kind, label } })).data),
    })
  }

  return (
    <Stack gap="md">
      {made && <NewSecret made={made} close={() => setMade(null)} />}
      <Panel title="Credentials">
        {mayChange && (
          <Group gap="xs" align="end" mb="sm">
            <Select
              label="Kind"
              data={KINDS}
              value={kind}
              allowDeselect={false}
              onChange={(chosen) => setKind(chosen as Kind)}
              w={210}
            />
            <TextInput
              label="Label"
              placeholder="for people"
              value={label}
              maxLength={100}
              onChange={(event) => setLabel(event.currentTarget.value)}
              w={180}
            />
            <Button onClick={askForNew}>Make a credential</Button>
          </Group>
        )}
        <Loaded query={query} what="Credentials" rows={3}>
          {(found) =>
            found.length === 0 ? (
              <Empty command={`python3 scripts/credentials.py create ${strategyId}`}>
                Nothing opens the door for this strategy yet: make a credential.
              </Empty>
            ) : (
              <Rows
                strategyId={strategyId}
                rows={found}
                mayChange={mayChange}
                ask={ask}
                done={done}
              />
            )
          }
        </Loaded>
      </Panel>
      {question}
    </Stack>
  )
}

function Rows({
  strategyId,
  rows,
  mayChange,
  ask,
  done,
}: {
  strategyId: string
  rows: Credential[]
  mayChange: boolean
  ask: ReturnType<typeof useAsk>['ask']
  done: (made: Made | undefined) => Promise<void>
}) {
  const now = useNow(30_000)
  const pathOf = (row: Credential) => ({
    path: { strategy_id: strategyId, credential_id: row.credential_id },
  })
  const facts = (row: Credential): [string, string][] => [
    ['Strategy', strategyId],
    ['Credential', `${words(row.kind)} …${row.hint} ${row.label}`.trim()],
  ]
  function rotate(row: Credential) {
    ask({
      title: 'Rotate this credential',
      facts: [...facts(row), ['The old one', 'opens for a day more, beside the new one']],
      action: 'Rotate',
      act: async () => {
        const url = '/api/v1/strategies/{strategy_id}/credentials/{credential_id}/rotate'
        const body = { overlap_s: DAY_SECONDS }
        await done((await gateway.POST(url, { params: pathOf(row), body })).data)
      },
    })
  }
  function revoke(row: Credential) {
    ask({
      title: 'Revoke this credential',
      facts: [...facts(row), ['Then', 'its signals are refused within seconds, exits too']],
      action: 'Revoke',
      danger: true,
      act: async () => {
        const url = '/api/v1/strategies/{strategy_id}/credentials/{credential_id}'
        await gateway.DELETE(url, { params: pathOf(row) })
        await done(undefined)
      },
    })
  }
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table aria-label="Credentials">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Kind</Table.Th>
            <Table.Th>Ends in</Table.Th>
            <Table.Th>Label</Table.Th>
            <Table.Th>Made</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => {
            const state = stateOf(row, now)
            return (
              <Table.Tr key={row.credential_id}>
                <Table.Td>{words(row.kind)}</Table.Td>
                <Table.Td ff="monospace">…{row.hint}</Table.Td>
                <Table.Td>{row.label || '–'}</Table.Td>
                <Table.Td>
                  <TimeText at={row.created_at} />
                </Table.Td>
                <Table.Td>
                  <StatusBadge status={state} />
                  {state === 'ACTIVE' && row.expires_at && (
                    <Text fz="xs" c="dimmed">
                      until <TimeText at={row.expires_at} relative={false} />
                    </Text>
                  )}
                </Table.Td>
                <Table.Td>
                  {mayChange && state === 'ACTIVE' && (
                    <Group gap={6} justify="flex-end" wrap="nowrap">
                      <Button variant="default" size="compact-xs" onClick={() => rotate(row)}>
                        Rotate
                      </Button>
                      <Button
                        variant="default"
                        size="compact-xs"
                        c="red"
                        onClick={() => revoke(row)}
                      >
                        Revoke
                      </Button>
                    </Group>
                  )}
                </Table.Td>
              </Table.Tr>
            )
          })}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

function stateOf(row: Credential, now: number): string {
  if (row.revoked_at) return 'REVOKED'
  return row.expires_at && Date.parse(row.expires_at) <= now ? 'EXPIRED' : 'ACTIVE'
}
