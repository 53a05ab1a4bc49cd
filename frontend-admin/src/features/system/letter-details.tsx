import { Button, Group, Modal, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { KeyFacts } from '@/components/key-facts'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { pretty } from '@/lib/pretty'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

type Letter = components['schemas']['DeadLetterPage']

/** One message that could not be handled: what it says, why it failed, and what to do with it. */
export function LetterDetails({ id, close }: { id: string; close: () => void }) {
  return (
    <Modal opened={id !== ''} onClose={close} title="Dead letter" size="xl">
      {id !== '' && <One id={id} />}
    </Modal>
  )
}

function One({ id }: { id: string }) {
  const letter = $dashboards.useQuery('get', '/api/v1/dead-letters/{letter_id}', {
    params: { path: { letter_id: id } },
  })
  return (
    <Loaded query={letter} what="The dead letter" rows={6}>
      {(found) => <Told letter={found} />}
    </Loaded>
  )
}

function Told({ letter }: { letter: Letter }) {
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const facts: [string, string][] = [
    ['Consumer', letter.subscription],
    ['Error', letter.error],
    ['Failures', String(letter.failures)],
  ]
  const path = { params: { path: { dead_letter_id: letter.dead_letter_id } } }

  async function told(message: string) {
    notifications.show({ message })
    await refresh('/api/v1/dead-letters', '/api/v1/overview', '/api/v1/frame')
  }
  function replay() {
    ask({
      title: 'Handle this message again',
      facts,
      reason: true,
      action: 'Replay',
      act: async (reason) => {
        await dashboards.POST('/api/v1/dead-letters/{dead_letter_id}/replay', {
          ...path,
          body: { reason },
        })
        await told('It goes to its consumer again')
      },
    })
  }
  function discard() {
    ask({
      title: 'Give this message up',
      facts,
      reason: true,
      action: 'Discard',
      danger: true,
      act: async (reason) => {
        await dashboards.POST('/api/v1/dead-letters/{dead_letter_id}/discard', {
          ...path,
          body: { reason },
        })
        await told('It is given up; it stays stored')
      },
    })
  }

  return (
    <Stack gap="sm">
      <Text fz="sm" className="down" style={{ overflowWrap: 'anywhere' }}>
        {letter.error}
      </Text>
      <KeyFacts
        facts={[
          ['Status', <StatusBadge key="status" status={letter.status} />],
          ['Consumer', letter.subscription],
          ['Topic', letter.topic],
          ['Failures', letter.failures],
          ['First', <TimeText key="first" at={letter.first_failed_at} relative={false} />],
          ['Last', <TimeText key="last" at={letter.last_failed_at} relative={false} />],
        ]}
      />
      {mayTrade && letter.status === 'DEAD' && (
        <Group gap="xs">
          <Button onClick={replay}>Replay</Button>
          <Button variant="default" color="red" onClick={discard}>
            Discard
          </Button>
        </Group>
      )}
      <CopyBlock label="payload" value={pretty(letter.payload)} />
      {letter.traceback && <CopyBlock label="traceback" value={letter.traceback} />}
      {question}
    </Stack>
  )
}
