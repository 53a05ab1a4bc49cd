import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { type Scope, scopeWords } from '@/components/scope-fields'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

export type Control = components['schemas']['ControlView']

export function useControls() {
  return $dashboards.useQuery('get', '/api/v1/controls')
}

/** Path of a scope: that of everything has no id of its own. */
export function placeOf(scope: Scope, id: string): { scope: Scope; scope_id: string } {
  return { scope, scope_id: scope === 'GLOBAL' ? '*' : id }
}

/** Switches that are not ACTIVE, and the way to release each. */
export function TradingStateLine() {
  const query = useControls()
  return (
    <Loaded query={query} what="Switches" rows={2}>
      {(controls) => {
        const set = controls.filter((each) => each.trading_state !== 'ACTIVE')
        if (set.length === 0) {
          return (
            <Group gap="xs">
              <StatusBadge status="ACTIVE" />
              <Text fz="sm">No switch is set: entries and exits go.</Text>
            </Group>
          )
        }
        return (
          <Stack gap="xs">
            {set.map((control) => (
              <SetSwitch key={`${control.scope}|${control.scope_id}`} control={control} />
            ))}
          </Stack>
        )
      }}
    </Loaded>
  )
}

function SetSwitch({ control }: { control: Control }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayTrade = useMay('TRADE')
  const halted = control.trading_state === 'HALTED'
  const words = scopeWords(control.scope, control.scope_id)
  const grave = halted || control.scope === 'GLOBAL'

  async function release(reason: string) {
    const { data } = await dashboards.PUT('/api/v1/controls/{scope}/{scope_id}', {
      params: { path: placeOf(control.scope, control.scope_id) },
      body: { trading_state: 'ACTIVE', confirm: grave ? 'RESUME' : '', reason },
    })
    const ended = data?.ended_runs ?? []
    notifications.show({
      message:
        ended.length > 0
          ? `Released; ended with it: ${ended.join(', ')}`
          : `Released: entries of ${words} go again.`,
    })
    await refresh('/api/v1/controls', '/api/v1/frame', '/api/v1/kill')
  }

  return (
    <Alert
      color={halted ? 'red' : 'yellow'}
      variant="light"
      role="alert"
      title={`${control.trading_state}: ${words}`}
    >
      <Group justify="space-between" gap="sm" wrap="wrap">
        <Text fz="sm">
          {halted ? 'Nothing is sent, exits neither.' : 'No entries; exits go.'} Set by{' '}
          {control.set_by || 'nobody'} <TimeText at={control.set_at} />
          {control.reason && `: ${control.reason}`}
        </Text>
        {mayTrade && (
          <Button
            variant="default"
            onClick={() =>
              ask({
                title: `Release ${words}`,
                facts: [
                  ['Scope', words],
                  ['From, to', `${control.trading_state} → ACTIVE`],
                  ['Set by', `${control.set_by || 'nobody'}: ${control.reason}`],
                  ['Then', 'entries go again; a kill that still runs ends'],
                ],
                reason: true,
                word: grave ? 'RESUME' : undefined,
                danger: true,
                action: 'Release',
                act: release,
              })
            }
          >
            Release
          </Button>
        )}
      </Group>
      {question}
    </Alert>
  )
}
