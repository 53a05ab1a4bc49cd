import { Alert, Button, Group, SimpleGrid, Stack, Switch, Text, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { sentenceOf } from '@/api/problem'
import { Panel } from '@/components/panel'
import { PercentInput } from '@/components/percent-input'
import { type Scope, scopeWords } from '@/components/scope-fields'
import { useAsk } from '@/components/use-ask'
import { isDecimal } from '@/lib/decimal'
import { LIMITS, limitText, limitTitle } from '@/lib/limit-names'
import { useRefresh } from '@/lib/use-refresh'
import { LimitPreview } from './limit-preview'
import { placeOf } from './trading-state'

export type LimitSet = components['schemas']['LimitSetView']
type Changes = Record<string, string | number | boolean | null>
type Preview = components['schemas']['LimitPreview']
const DAYS = 30

/** Limits of one scope; what they would have done is seen before they are saved. */
export function LimitsEditor({
  scope,
  scopeId,
  set,
  close,
}: {
  scope: Scope
  scopeId: string
  set: LimitSet | undefined
  close: () => void
}) {
  const [base] = useState(set)
  const [draft, setDraft] = useState<Changes>({})
  const [preview, setPreview] = useState<Preview | null>(null)
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const changes = changesOf(base, draft)
  const names = Object.keys(changes)
  const words = scopeWords(scope, scopeId)

  function edit(name: string, value: string | boolean) {
    setDraft({ ...draft, [name]: value === '' ? null : value })
    setPreview(null)
  }
  async function look() {
    setBusy(true)
    setFailure(null)
    try {
      const body = { scope, scope_id: scopeId, changes, days: DAYS }
      const { data } = await dashboards.POST('/api/v1/limits/preview', { body })
      setPreview(data ?? null)
    } catch (error) {
      setFailure(error)
    } finally {
      setBusy(false)
    }
  }
  async function save(reason: string) {
    await dashboards.PUT('/api/v1/limits/{scope}/{scope_id}', {
      params: { path: placeOf(scope, scopeId) },
      body: { limits: changes, version: base?.version ?? 0, reason },
    })
    notifications.show({ message: `Limits of ${words} are set.` })
    await refresh('/api/v1/limits', '/api/v1/strategies')
    close()
  }
  function askToSave() {
    ask({
      title: `Set limits of ${words}`,
      facts: [
        ['Scope', words],
        ...names.map((name): [string, string] => [
          limitTitle(name),
          `${shown(name, base?.[name as keyof LimitSet])} → ${shown(name, changes[name])}`,
        ]),
        ['Last 30 days', preview?.sentence ?? 'not looked at'],
      ],
      reason: true,
      action: 'Set',
      act: save,
    })
  }

  return (
    <Panel
      title={`Change limits of ${words}`}
      actions={
        <Button variant="default" onClick={close}>
          Close
        </Button>
      }
    >
      <Stack gap="sm">
        <Text fz="sm" c="dimmed">
          Empty = this scope says nothing. Exits are never limited.
        </Text>
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }} spacing="sm">
          {LIMITS.map((limit) => {
            const now = name(draft, base, limit.name)
            return limit.kind === 'ratio' ? (
              <PercentInput
                key={limit.name}
                label={limit.title}
                description={limit.what}
                ratio={now}
                change={(ratio) => edit(limit.name, ratio)}
              />
            ) : (
              <TextInput
                key={limit.name}
                label={limit.title}
                description={`${limit.what}${limit.kind === 'seconds' ? ', seconds' : ''}`}
                inputMode="decimal"
                value={now}
                error={now !== '' && !isDecimal(now) && 'a number is expected'}
                onChange={(event) => edit(limit.name, event.currentTarget.value)}
              />
            )
          })}
        </SimpleGrid>
        <Switch
          label="Restricted: nothing may be entered"
          checked={Boolean(draft.restricted ?? base?.restricted)}
          onChange={(event) => edit('restricted', event.currentTarget.checked)}
        />
        {failure !== null && (
          <Alert color="red" variant="light" role="alert">
            {sentenceOf(failure)}
          </Alert>
        )}
        {preview && <LimitPreview preview={preview} />}
        <Group gap="xs">
          <Button
            variant={preview ? 'default' : 'filled'}
            disabled={names.length === 0}
            loading={busy}
            onClick={look}
          >
            What would it have done?
          </Button>
          <Button disabled={names.length === 0 || preview === null} onClick={askToSave}>
            Save {names.length === 1 ? '1 limit' : `${names.length} limits`}
          </Button>
        </Group>
      </Stack>
      {question}
    </Panel>
  )
}

function name(draft: Changes, base: LimitSet | undefined, field: string): string {
  const value = field in draft ? draft[field] : base?.[field as keyof LimitSet]
  return value === null || value === undefined ? '' : String(value)
}

/** Only what is otherwise; counts go as numbers, decimals stay text. */
export function changesOf(base: LimitSet | undefined, draft: Changes): Changes {
  const changed = Object.entries(draft).filter(([field, value]) => {
    const before = base?.[field as keyof LimitSet] ?? null
    return String(before) !== String(value)
  })
  return Object.fromEntries(
    changed.map(([field, value]) => {
      const counted = LIMITS.find((limit) => limit.name === field)?.kind === 'count'
      return [field, counted && typeof value === 'string' ? Number(value) : value]
    }),
  )
}

function shown(field: string, value: unknown): string {
  if (field === 'restricted') return value ? 'yes' : 'no'
  const limit = LIMITS.find((each) => each.name === field)
  return value === null || value === undefined || !limit ? 'none' : limitText(limit, value)
}
