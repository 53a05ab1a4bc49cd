import { Button, Group, PasswordInput, Select, Stack, Table, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { $accounts, accounts } from '@/api/client'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import type { Account } from './types'

/** How the broker is reached; secrets go in and never come out. */
export function SetupTab({ account }: { account: Account }) {
  const query = $accounts.useQuery('get', '/api/v1/accounts/{account_id}/setup', {
    params: { path: { account_id: account.account_id } },
  })
  const mayConfigure = useMay('CONFIGURE')
  return (
    <Loaded query={query} what="The set-up" rows={5}>
      {(setup) => (
        <Stack gap="md">
          <Panel title="Connection">
            <Table variant="vertical" aria-label="Connection">
              <Table.Tbody>
                {Object.entries(setup.connection).map(([name, value]) => (
                  <Table.Tr key={name}>
                    <Table.Th w={180}>{name.replaceAll('_', ' ')}</Table.Th>
                    <Table.Td>{String(value)}</Table.Td>
                  </Table.Tr>
                ))}
                <Table.Tr>
                  <Table.Th>currency</Table.Th>
                  <Table.Td>{setup.currency}</Table.Td>
                </Table.Tr>
              </Table.Tbody>
            </Table>
            {mayConfigure && <Edit account={account} />}
          </Panel>
          <Panel title="Secrets">
            {Object.entries(setup.secrets).map(([name, hint]) => (
              <Text key={name} fz="sm">
                {name}: {hint}
              </Text>
            ))}
            {Object.keys(setup.secrets).length === 0 && (
              <Text fz="sm" c="dimmed">
                No secret is sealed.
              </Text>
            )}
            {mayConfigure && <NewSecretForm accountId={account.account_id} />}
          </Panel>
        </Stack>
      )}
    </Loaded>
  )
}

function Edit({ account }: { account: Account }) {
  const [name, setName] = useState(account.account_name)
  const [status, setStatus] = useState(account.status)
  const [poll, setPoll] = useState(String(account.poll_seconds ?? ''))
  const [field, setField] = useState('')
  const [value, setValue] = useState('')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  function save() {
    const connection = field.trim() === '' ? undefined : { [field.trim()]: value }
    ask({
      title: 'Change this account',
      facts: [
        ['Account', `${account.account_id}, ${account.account_type}`],
        ['Name', name],
        ['Status', status],
        ['Asked every', poll ? `${poll} s` : 'as all'],
        ...(connection ? [[field.trim(), value] as [string, string]] : []),
      ],
      reason: true,
      word: account.account_type === 'LIVE' ? 'LIVE' : undefined,
      action: 'Change',
      act: async (reason) => {
        await accounts.PUT('/api/v1/accounts/{account_id}', {
          params: { path: { account_id: account.account_id } },
          body: {
            account_name: name,
            status: status as 'ACTIVE' | 'INACTIVE',
            poll_seconds: poll || null,
            connection,
            reason,
          },
        })
        await refresh('/api/v1/account', '/api/v1/hierarchy')
      },
    })
  }
  return (
    <Group gap="xs" align="end" mt="sm">
      <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <Select
        label="Status"
        data={['ACTIVE', 'INACTIVE']}
        value={status}
        allowDeselect={false}
        onChange={(chosen) => setStatus(chosen ?? status)}
        w={120}
      />
      <TextInput
        label="Asked every, s"
        inputMode="decimal"
        value={poll}
        onChange={(e) => setPoll(e.currentTarget.value)}
        w={110}
      />
      <TextInput
        label="Connection field"
        placeholder="e.g. port"
        value={field}
        onChange={(e) => setField(e.currentTarget.value)}
        w={130}
      />
      <TextInput
        label="Value"
        value={value}
        onChange={(e) => setValue(e.currentTarget.value)}
        w={130}
      />
      <Button onClick={save}>Change</Button>
      {question}
    </Group>
  )
}

function NewSecretForm({ accountId }: { accountId: string }) {
  const [name, setName] = useState('')
  const [value, setValue] = useState('')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  return (
    <Group gap="xs" align="end" mt="sm">
      <TextInput
        label="Secret"
        placeholder="e.g. api_secret"
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        w={160}
      />
      <PasswordInput
        size="xs"
        label="Value"
        autoComplete="off"
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
        w={220}
      />
      <Button
        disabled={name.trim() === '' || value === ''}
        onClick={() =>
          ask({
            title: 'Seal this secret',
            facts: [
              ['Account', accountId],
              ['Secret', name],
              ['Then', 'it is never shown again'],
            ],
            action: 'Seal it',
            act: async () => {
              await accounts.PUT('/api/v1/accounts/{account_id}/secrets/{name}', {
                params: { path: { account_id: accountId, name: name.trim() } },
                body: { value },
              })
              setValue('')
              await refresh('/api/v1/accounts')
            },
          })
        }
      >
        Seal it
      </Button>
      {question}
    </Group>
  )
}
