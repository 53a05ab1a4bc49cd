import { Anchor, Badge, Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useRefresh } from '@/lib/use-refresh'
import { ActForm } from './act-form'

type Channel = components['schemas']['ChannelView']
const PATH = '/api/v1/me/channels'

/** Other ways out: mail, Slack, Discord, SMS, push, each by its URL. */
export function ChannelsPanel() {
  const query = $dashboards.useQuery('get', PATH, {})
  const [adding, setAdding] = useState(false)
  return (
    <Panel
      title="Other channels"
      actions={!adding && <Button onClick={() => setAdding(true)}>Add a channel</Button>}
    >
      {adding && <NewChannel close={() => setAdding(false)} />}
      <Loaded query={query} what="Your channels" rows={2}>
        {(channels) => <Channels rows={channels.filter((each) => each.kind !== 'TELEGRAM')} />}
      </Loaded>
    </Panel>
  )
}

function NewChannel({ close }: { close: () => void }) {
  const [url, setUrl] = useState('')
  const [name, setName] = useState('')
  const refresh = useRefresh()
  return (
    <Stack mb="md">
      <ActForm
        action="Add it"
        ready={url.trim() !== ''}
        cancel={close}
        act={async () => {
          await dashboards.POST(PATH, { body: { url: url.trim(), name: name.trim() } })
          await refresh(PATH)
          close()
        }}
      >
        <PasswordInput
          label="URL"
          description={
            <>
              Of one of the services that{' '}
              <Anchor
                href="https://appriseit.com/services/"
                target="_blank"
                rel="noreferrer"
                fz="inherit"
              >
                Apprise knows
              </Anchor>
              , e.g. mailto://user:password@example.com. It is kept sealed and never shown again.
            </>
          }
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
          autoComplete="off"
          required
        />
        <TextInput
          label="Name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={80}
        />
      </ActForm>
    </Stack>
  )
}

function Channels({ rows }: { rows: Channel[] }) {
  const refresh = useRefresh()
  const { ask, question } = useAsk()
  const [told, setTold] = useState('')
  if (rows.length === 0) return <Empty>There is no other channel yet.</Empty>

  function test(channel: Channel) {
    ask({
      title: 'Send a test?',
      facts: [['Channel', channel.name]],
      action: 'Send it',
      act: async () => {
        const path = { channel_id: channel.channel_id }
        await dashboards.POST('/api/v1/me/channels/{channel_id}/test', { params: { path } })
        setTold(`A test is on its way by ${channel.name}.`)
        await refresh(PATH)
      },
    })
  }
  function forget(channel: Channel) {
    ask({
      title: 'Forget this channel?',
      facts: [
        ['Channel', channel.name],
        ['Service', channel.service],
      ],
      action: 'Forget it',
      danger: true,
      act: async () => {
        const path = { channel_id: channel.channel_id }
        await dashboards.DELETE('/api/v1/me/channels/{channel_id}', { params: { path } })
        await refresh(PATH)
      },
    })
  }

  return (
    <>
      <Text fz="sm" role="status">
        {told}
      </Text>
      <SmallTable
        label="Channels"
        rows={rows}
        keyOf={(row) => row.channel_id}
        columns={[
          { name: 'name', title: 'Name', cell: (row) => row.name },
          { name: 'service', title: 'Service', wide: true, cell: (row) => row.service },
          {
            name: 'state',
            title: 'State',
            cell: (row) => (
              <Group gap={6}>
                <Badge size="sm" variant="light" color={row.status === 'ACTIVE' ? 'green' : 'red'}>
                  {row.status.toLowerCase()}
                </Badge>
                <Text span fz="xs" c="dimmed">
                  {row.why || row.last_error}
                </Text>
              </Group>
            ),
          },
          {
            name: 'sent',
            title: 'Last sent',
            wide: true,
            cell: (row) => <TimeText at={row.last_sent_at} />,
          },
          {
            name: 'acts',
            title: '',
            cell: (row) => (
              <Group gap={6} wrap="nowrap" justify="end">
                <Button variant="default" size="compact-xs" onClick={() => test(row)}>
                  Test
                </Button>
                <Button variant="default" size="compact-xs" onClick={() => forget(row)}>
                  Forget
                </Button>
              </Group>
            ),
          },
        ]}
      />
      {question}
    </>
  )
}
