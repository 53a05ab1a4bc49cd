import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { KeyFacts } from '@/components/key-facts'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { words } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

type Incident = components['schemas']['Incident']

/** One incident with its facts; a person notes that they have seen it, or closes it. */
export function IncidentDetails({ id, close }: { id: string; close: () => void }) {
  return (
    <Modal opened={id !== ''} onClose={close} title="Incident" size="lg">
      {id !== '' && <One id={id} />}
    </Modal>
  )
}

function One({ id }: { id: string }) {
  const newest = $dashboards.useQuery('get', '/api/v1/incidents', {
    params: { query: { limit: 500 } },
  })
  return (
    <Loaded query={newest} what="The incident" rows={4}>
      {({ rows }) => {
        const found = rows.find((row) => row.incident_id === id)
        return found ? <Told incident={found} /> : <Empty>It is not among the newest 500.</Empty>
      }}
    </Loaded>
  )
}

function Told({ incident }: { incident: Incident }) {
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const path = { params: { path: { incident_id: incident.incident_id } } }
  const facts: [string, string][] = [
    ['Kind', words(incident.kind)],
    ['What', incident.sentence],
  ]

  async function told(message: string) {
    notifications.show({ message })
    await refresh('/api/v1/incidents', '/api/v1/overview', '/api/v1/frame')
  }
  function acknowledge() {
    ask({
      title: 'Note that you have seen it',
      facts,
      reason: true,
      action: 'Acknowledge',
      act: async (note) => {
        await dashboards.POST('/api/v1/incidents/{incident_id}/acknowledge', {
          ...path,
          body: { note },
        })
        await told('It is noted; the incident stays open until its cause is gone')
      },
    })
  }
  function clear() {
    ask({
      title: 'Close this incident',
      facts,
      reason: true,
      action: 'Close it',
      act: async (note) => {
        await dashboards.POST('/api/v1/incidents/{incident_id}/clear', { ...path, body: { note } })
        await told('The incident is closed')
      },
    })
  }

  return (
    <Stack gap="sm">
      <Text fz="md">{incident.sentence}</Text>
      <KeyFacts
        facts={[
          ['Status', <StatusBadge key="status" status={incident.status} />],
          ['Kind', words(incident.kind)],
          ['Times', incident.count],
          ['Since', <TimeText key="since" at={incident.opened_at} relative={false} />],
          ['Last seen', <TimeText key="seen" at={incident.last_seen_at} relative={false} />],
          ...Object.entries(incident.facts ?? {}).map(([name, fact]): [string, string] => [
            words(name),
            fact,
          ]),
        ]}
      />
      {mayTrade && incident.status === 'OPEN' && (
        <Group gap="xs">
          <Button onClick={acknowledge}>Acknowledge</Button>
          <Button variant="default" onClick={clear}>
            Close it
          </Button>
        </Group>
      )}
      {question}
    </Stack>
  )
}
