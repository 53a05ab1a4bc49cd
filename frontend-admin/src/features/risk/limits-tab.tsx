import { Alert, Button, Group, Stack, Table, Text } from '@mantine/core'
import { useState } from 'react'
import { $dashboards } from '@/api/client'
import { Panel } from '@/components/panel'
import { type Scope, ScopeFields, scopeWords } from '@/components/scope-fields'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { UseBar } from '@/components/use-bar'
import { exact, numberOf, percent } from '@/lib/format'
import { plain } from '@/lib/instrument'
import { LIMITS, type LimitName, limitText } from '@/lib/limit-names'
import { useMay } from '@/lib/session'
import { useUrlState } from '@/lib/use-url-state'
import { type LimitSet, LimitsEditor } from './limits-editor'
import { Locks } from './locks'

/** Limits by scope, how much of each is used, and what they have locked. */
export function LimitsTab() {
  const query = $dashboards.useQuery('get', '/api/v1/limits')
  const [scope, setScope] = useUrlState('scope')
  const [id, setId] = useUrlState('id')
  const mayConfigure = useMay('CONFIGURE')
  function edit(next: string | null, named: string) {
    setScope(next)
    setId(next === null || named === '' ? null : named)
  }
  return (
    <Loaded query={query} what="Limits" rows={8}>
      {({ limits, locks }) => {
        const asked = scope && mayConfigure ? (scope as Scope) : null
        const set = limits.find((each) => each.scope === scope && each.scope_id === id)
        return (
          <Stack gap="md">
            <Locks locks={locks} />
            {asked && (
              <LimitsEditor
                key={`${asked}|${id}`}
                scope={asked}
                scopeId={id}
                set={set}
                close={() => edit(null, '')}
              />
            )}
            {limits.length === 0 && (
              <Empty>There are no limits: nothing but margin and allocation holds entries.</Empty>
            )}
            {limits.map((each) => (
              <ScopeLimits
                key={`${each.scope}|${each.scope_id}`}
                set={each}
                edit={mayConfigure ? () => edit(each.scope, each.scope_id) : undefined}
              />
            ))}
            {mayConfigure && <NewScope open={edit} />}
          </Stack>
        )
      }}
    </Loaded>
  )
}

function ScopeLimits({ set, edit }: { set: LimitSet; edit?: () => void }) {
  const shown = LIMITS.filter(({ name }) => {
    const value = set[name as keyof LimitSet]
    return value !== null && value !== undefined && !isIdle(set, name)
  })
  return (
    <Panel
      title={`Limits of ${set.where || scopeWords(set.scope, set.scope_id)}`}
      actions={
        edit && (
          <Button
            variant="default"
            onClick={edit}
            aria-label={`Change limits of ${scopeWords(set.scope, set.scope_id)}`}
          >
            Change
          </Button>
        )
      }
    >
      {set.restricted && (
        <Alert color="red" variant="light" mb="xs">
          Restricted: nothing of this scope may be entered.
        </Alert>
      )}
      <Table.ScrollContainer minWidth={420}>
        <Table aria-label={`Limits of ${set.where}`}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Limit</Table.Th>
              <Table.Th ta="right">At</Table.Th>
              <Table.Th w="45%">Used now</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((limit) => (
              <LimitRow key={limit.name} limit={limit} set={set} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Text fz="xs" c="dimmed" mt={4}>
        Version {set.version}
        {set.set_by && ` by ${set.set_by}`} <TimeText at={set.set_at} />
        {set.reason && `: ${set.reason}`}
      </Text>
    </Panel>
  )
}

function LimitRow({ limit, set }: { limit: LimitName; set: LimitSet }) {
  const uses = set.uses.filter((use) => use.name === limit.name)
  return (
    <Table.Tr>
      <Table.Td title={limit.what}>{limit.title}</Table.Td>
      <Table.Td ta="right">{limitText(limit, set[limit.name as keyof LimitSet])}</Table.Td>
      <Table.Td>
        {uses.length === 0 ? (
          <Text fz="xs" c="dimmed">
            by order or signal
          </Text>
        ) : (
          uses.map((use) => (
            <Group key={use.account_id ?? 'all'} gap="xs" wrap="nowrap">
              <Text fz="xs" w={130} style={{ flexShrink: 0 }}>
                {use.account_id ?? 'all'}:{' '}
                {limit.kind === 'ratio' ? percent(use.used) : exact(use.used && plain(use.used))}
              </Text>
              <div style={{ flex: 1 }}>
                <UseBar
                  used={numberOf(use.ratio)}
                  label={`${limit.title} of ${use.account_id ?? 'all'}`}
                />
              </div>
            </Group>
          ))
        )}
      </Table.Td>
    </Table.Tr>
  )
}

/** Figures that only matter beside another limit are not shown without it. */
function isIdle(set: LimitSet, name: string): boolean {
  if (name === 'entries_window_seconds') return set.max_entries == null
  if (name === 'max_volatility_multiple') return set.target_volatility_ratio == null
  if (name === 'drawdown_governor_start_ratio' || name === 'drawdown_governor_floor_ratio')
    return set.drawdown_governor_end_ratio == null
  return false
}

function NewScope({ open }: { open: (scope: Scope, id: string) => void }) {
  const [scope, setScope] = useState<Scope>('ACCOUNT')
  const [id, setId] = useState('')
  return (
    <Group gap="xs" align="end">
      <ScopeFields
        scope={scope}
        id={id}
        everyAccount
        change={(next, named) => {
          setScope(next)
          setId(named)
        }}
      />
      <Button
        variant="default"
        disabled={scope !== 'GLOBAL' && id.trim() === ''}
        onClick={() => open(scope, scope === 'GLOBAL' ? '' : id.trim())}
      >
        Set limits
      </Button>
    </Group>
  )
}
