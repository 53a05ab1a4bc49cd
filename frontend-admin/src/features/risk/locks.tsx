import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { scopeWords } from '@/components/scope-fields'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

type Lock = components['schemas']['LockView']

/** What limits have locked; who may set limits may accept the loss and reset it. */
export function Locks({ locks }: { locks: Lock[] }) {
  if (locks.length === 0) return null
  return (
    <Alert color="red" variant="light" title="Entries are locked" role="alert">
      <Stack gap="xs">
        {locks.map((lock) => (
          <Group key={lock.lock_id} gap="sm" justify="space-between">
            <Text fz="sm" style={{ flex: 1, minWidth: 220 }}>
              {whereOf(lock)}: {lock.sentence}, since <TimeText at={lock.locked_at} />, {lock.until}
            </Text>
            {lock.resettable && <ResetButton lock={lock} />}
          </Group>
        ))}
      </Stack>
    </Alert>
  )
}

function ResetButton({ lock }: { lock: Lock }) {
  const mayConfigure = useMay('CONFIGURE')
  const refresh = useRefresh()
  const { ask, question } = useAsk()
  if (!mayConfigure) return null
  const { lock_id, locked_at } = lock

  function open() {
    ask({
      title: 'Reset this lock',
      facts: [
        ['Where', whereOf(lock)],
        ['Rule', lock.rule],
        ['Locked', lock.sentence],
        ['Then', 'entries go again, and losses are counted anew from the equity of now'],
      ],
      money: true,
      reason: true,
      action: 'Reset',
      danger: true,
      act: async (reason) => {
        const { data } = await dashboards.POST('/api/v1/risk-locks/{lock_id}/reset', {
          params: { path: { lock_id } },
          body: { locked_at, reason },
        })
        notifications.show({ message: `Reset: ${data?.sentence}` })
        await refresh('/api/v1/limits', '/api/v1/frame')
      },
    })
  }

  return (
    <>
      <Button variant="default" onClick={open} aria-label={`Reset the lock of ${whereOf(lock)}`}>
        Reset
      </Button>
      {question}
    </>
  )
}

function whereOf(lock: Lock): string {
  const within = lock.account_id ? ` in ${lock.account_id}` : ''
  return `${scopeWords(lock.scope, lock.scope_id ?? '')}${within}`
}
