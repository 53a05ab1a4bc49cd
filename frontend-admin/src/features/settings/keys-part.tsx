import { Alert, Button, Checkbox, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useSession } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { ActForm } from './act-form'

type Key = components['schemas']['KeyView']
type Permission = components['schemas']['Permission']
const PATH = '/api/v1/me/api-keys'
const LIVES = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'a year' },
  { value: '', label: 'until it is revoked' },
]

/** Keys for scripts, each for some of what one may do. */
export function KeysPart() {
  const query = $dashboards.useQuery('get', PATH, {})
  const [making, setMaking] = useState(false)
  const [secret, setSecret] = useState<string | null>(null)
  const refresh = useRefresh()
  return (
    <Stack>
      {secret && (
        <Alert color="green" variant="light" title="Made. This is shown once." role="alert">
          <Stack gap="sm" align="start">
            <CopyBlock label="Header" value={`Authorization: Bearer ${secret}`} />
            <Button variant="default" onClick={() => setSecret(null)}>
              I have copied it
            </Button>
          </Stack>
        </Alert>
      )}
      <Panel
        title="API keys"
        actions={!making && <Button onClick={() => setMaking(true)}>New key</Button>}
      >
        {making && (
          <NewKey
            cancel={() => setMaking(false)}
            done={async (made) => {
              setMaking(false)
              setSecret(made)
              await refresh(PATH)
            }}
          />
        )}
        <Loaded query={query} what="Your keys">
          {(keys) => <Keys keys={keys} />}
        </Loaded>
      </Panel>
    </Stack>
  )
}

function NewKey({ done, cancel }: { done: (secret: string) => Promise<void>; cancel: () => void }) {
  const { permissions } = useSession()
  const [label, setLabel] = useState('')
  const [scopes, setScopes] = useState<string[]>([])
  const [days, setDays] = useState('90')
  async function make() {
    const ends = days ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : null
    const body = { label: label.trim(), scopes: scopes as Permission[], expires_at: ends }
    const { data } = await dashboards.POST(PATH, { body })
    if (data) await done(data.secret)
  }
  return (
    <Stack mb="md">
      <ActForm
        action="Make the key"
        ready={label.trim() !== '' && scopes.length > 0}
        act={make}
        cancel={cancel}
      >
        <TextInput
          label="What it is for"
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
          maxLength={100}
          required
        />
        <Checkbox.Group label="What it may do" value={scopes} onChange={setScopes} required>
          <Group gap="md" mt={4}>
            {permissions.map((each) => (
              <Checkbox key={each} size="xs" value={each} label={each} />
            ))}
          </Group>
        </Checkbox.Group>
        <Select
          label="Good for"
          data={LIVES}
          value={days}
          onChange={(value) => setDays(value ?? '')}
          allowDeselect={false}
        />
      </ActForm>
    </Stack>
  )
}

function Keys({ keys }: { keys: Key[] }) {
  const refresh = useRefresh()
  const { ask, question } = useAsk()
  if (keys.length === 0) return <Empty>You have no keys. Scripts ask for one.</Empty>

  function revoke(key: Key) {
    ask({
      title: 'Revoke this key?',
      facts: [
        ['Key', `${key.label} …${key.hint}`],
        ['May', key.scopes.join(', ')],
        ['Last used', <TimeText key="used" at={key.last_used_at} />],
      ],
      action: 'Revoke it',
      danger: true,
      act: async () => {
        const path = { key_id: key.key_id }
        await dashboards.DELETE('/api/v1/me/api-keys/{key_id}', { params: { path } })
        await refresh(PATH)
      },
    })
  }

  return (
    <>
      <SmallTable
        label="API keys"
        rows={keys}
        keyOf={(key) => key.key_id}
        columns={[
          { name: 'label', title: 'For', cell: (key) => `${key.label} …${key.hint}` },
          { name: 'scopes', title: 'May', cell: (key) => key.scopes.join(', ') },
          {
            name: 'made',
            title: 'Made',
            wide: true,
            cell: (key) => <TimeText at={key.created_at} />,
          },
          {
            name: 'used',
            title: 'Last used',
            wide: true,
            cell: (key) => <TimeText at={key.last_used_at} />,
          },
          {
            name: 'ends',
            title: 'Good until',
            cell: (key) =>
              key.expires_at ? (
                <TimeText at={key.expires_at} relative={false} />
              ) : (
                <Text span fz="inherit">
                  revoked by hand
                </Text>
              ),
          },
          {
            name: 'revoke',
            title: '',
            cell: (key) => (
              <Button
                variant="default"
                size="compact-xs"
                onClick={() => revoke(key)}
                aria-label={`Revoke ${key.label}`}
              >
                Revoke
              </Button>
            ),
          },
        ]}
      />
      {question}
    </>
  )
}
