import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import { Panel } from '@/components/panel'
import { PercentInput } from '@/components/percent-input'
import { type Scope, ScopeFields, scopeWords } from '@/components/scope-fields'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { percent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { type Control, placeOf, useControls } from './trading-state'

type Override = Control['override']
const OVERRIDES: { value: Override; label: string }[] = [
  { value: 'NONE', label: 'No restriction' },
  { value: 'REDUCE_ONLY', label: 'Exits only' },
  { value: 'NO_TRADE', label: 'Nothing, exits neither' },
]
const HOURS: Record<string, number> = { '1': 1, '4': 4, '24': 24, '168': 168 }
const ENDS = [
  { value: '1', label: 'in an hour' },
  { value: '4', label: 'in 4 hours' },
  { value: '24', label: 'in a day' },
  { value: '168', label: 'in a week' },
  { value: 'at', label: 'at a time' },
  { value: 'never', label: 'when a person ends it' },
]

/** Restrictions beside the switch, smaller sizes among them, that end by themselves. */
export function OverridesTab() {
  const query = useControls()
  const mayTrade = useMay('TRADE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()

  async function clear(control: Control, reason: string) {
    await dashboards.PUT('/api/v1/controls/{scope}/{scope_id}', {
      params: { path: placeOf(control.scope, control.scope_id) },
      body: { override: 'NONE', scale_ratio: '1', confirm: 'RESUME', reason },
    })
    await refresh('/api/v1/controls', '/api/v1/frame')
  }
  function askToClear(control: Control) {
    ask({
      title: `End the override of ${scopeWords(control.scope, control.scope_id)}`,
      facts: [
        ['Scope', scopeWords(control.scope, control.scope_id)],
        ['Now', `${control.override}, entries at ${percent(control.scale_ratio, 0)}`],
        ['Then', 'no restriction, entries in full'],
      ],
      reason: true,
      word: control.override === 'NO_TRADE' || control.scope === 'GLOBAL' ? 'RESUME' : undefined,
      action: 'End it',
      act: (reason) => clear(control, reason),
    })
  }

  return (
    <Stack gap="md">
      <Panel title="Overrides">
        <Loaded query={query} what="Overrides" rows={3}>
          {(controls) => {
            const set = controls.filter(
              (each) => each.override !== 'NONE' || Number(each.scale_ratio) !== 1,
            )
            if (set.length === 0) return <Empty>No override is set: sizes are as decided.</Empty>
            return (
              <SmallTable
                label="Overrides"
                rows={set}
                keyOf={(row) => `${row.scope}|${row.scope_id}`}
                columns={[
                  {
                    name: 'scope',
                    title: 'For',
                    cell: (row) => scopeWords(row.scope, row.scope_id),
                  },
                  {
                    name: 'override',
                    title: 'Override',
                    cell: (row) => <StatusBadge status={row.override} />,
                  },
                  {
                    name: 'scale',
                    title: 'Entries at',
                    numeric: true,
                    cell: (row) => percent(row.scale_ratio, 0),
                  },
                  {
                    name: 'ends',
                    title: 'Ends',
                    cell: (row) =>
                      row.expires_at ? (
                        <TimeText at={row.expires_at} relative={false} />
                      ) : (
                        'when a person ends it'
                      ),
                  },
                  {
                    name: 'why',
                    title: 'Why',
                    wide: true,
                    cell: (row) => `${row.set_by}: ${row.reason}`,
                  },
                  {
                    name: 'end',
                    title: '',
                    cell: (row) =>
                      mayTrade && (
                        <Button
                          variant="default"
                          size="compact-xs"
                          onClick={() => askToClear(row)}
                          aria-label={`End it: the override of ${scopeWords(row.scope, row.scope_id)}`}
                        >
                          End it
                        </Button>
                      ),
                  },
                ]}
              />
            )
          }}
        </Loaded>
      </Panel>
      {mayTrade && <NewOverride ask={ask} />}
      {question}
    </Stack>
  )
}

function NewOverride({ ask }: { ask: ReturnType<typeof useAsk>['ask'] }) {
  const [scope, setScope] = useState<Scope>('STRATEGY')
  const [id, setId] = useState('')
  const [override, setOverride] = useState<Override>('REDUCE_ONLY')
  const [scale, setScale] = useState('1')
  const [ends, setEnds] = useState('24')
  const [at, setAt] = useState('')
  const refresh = useRefresh()
  const words = scopeWords(scope, id)
  const ready =
    (scope === 'GLOBAL' || id.trim() !== '') &&
    (override !== 'NONE' || Number(scale) !== 1) &&
    (ends !== 'at' || at !== '')

  function open() {
    const expires = endOf(ends, at)
    ask({
      title: `Override for ${words}`,
      facts: [
        ['Scope', words],
        ['Override', OVERRIDES.find((each) => each.value === override)?.label ?? override],
        ['Entries at', percent(scale, 0)],
        ['Ends', expires ? new Date(expires).toLocaleString() : 'when a person ends it'],
      ],
      reason: true,
      word: override === 'NO_TRADE' ? 'NO_TRADE' : undefined,
      danger: override === 'NO_TRADE',
      action: 'Set it',
      act: async (reason) => {
        await dashboards.PUT('/api/v1/controls/{scope}/{scope_id}', {
          params: { path: placeOf(scope, id.trim()) },
          body: { override, scale_ratio: scale, expires_at: expires, confirm: '', reason },
        })
        await refresh('/api/v1/controls', '/api/v1/frame')
      },
    })
  }

  return (
    <Panel title="Set an override">
      <Group gap="xs" align="end">
        <ScopeFields
          scope={scope}
          id={id}
          change={(next, named) => {
            setScope(next)
            setId(named)
          }}
        />
        <Select
          label="Restriction"
          data={OVERRIDES}
          value={override}
          allowDeselect={false}
          onChange={(chosen) => setOverride(chosen as Override)}
          w={180}
        />
        <PercentInput label="Entries at" ratio={scale} change={setScale} width={110} />
        <Select
          label="Ends"
          data={ENDS}
          value={ends}
          allowDeselect={false}
          onChange={(chosen) => setEnds(chosen ?? '24')}
          w={180}
        />
        {ends === 'at' && (
          <TextInput
            label="Time"
            type="datetime-local"
            value={at}
            onChange={(event) => setAt(event.currentTarget.value)}
          />
        )}
        <Button onClick={open} disabled={!ready}>
          Set it
        </Button>
      </Group>
      <Text fz="xs" c="dimmed" mt={6}>
        An override with an end ends by itself; the switch above never does.
      </Text>
    </Panel>
  )
}

function endOf(ends: string, at: string): string | null {
  if (ends === 'never') return null
  if (ends === 'at') return new Date(at).toISOString()
  const hours = HOURS[ends] ?? 24
  return new Date(Date.now() + hours * 3_600_000).toISOString()
}
