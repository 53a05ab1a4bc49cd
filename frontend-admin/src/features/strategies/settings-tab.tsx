import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { portfolio } from '@/api/client'
import { RequestFailed, sentenceOf } from '@/api/problem'
import { TimeText } from '@/components/time-text'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { Collisions } from './collisions'
import { changesOf, collisionsOf, type Draft } from './settings-draft'
import { PeopleFields, TradingFields } from './settings-fields'
import type { StrategyUpdate, StrategyView } from './types'

/**
 * The settings, and changes of them against the version that was looked at. While one edits,
 * what comes in new does not touch the draft: the server says who was faster.
 */
export function SettingsTab({ strategy }: { strategy: StrategyView }) {
  const [base, setBase] = useState(strategy)
  const [draft, setDraft] = useState<Draft>({})
  const [moved, setMoved] = useState<StrategyView | null>(null)
  const [reason, setReason] = useState('')
  const [failure, setFailure] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE') && !strategy.archived_at
  const seen = Object.keys(draft).length === 0 ? strategy : base
  const changes = changesOf(seen, draft)
  const count = Object.keys(changes).length

  function edit(change: Draft) {
    if (Object.keys(draft).length === 0) setBase(strategy)
    setDraft({ ...draft, ...change })
  }
  function start(from: StrategyView, kept: Draft) {
    setBase(from)
    setDraft(kept)
    setMoved(null)
    setFailure(null)
  }
  async function save() {
    setBusy(true)
    setFailure(null)
    const params = { path: { strategy_id: strategy.strategy_id } }
    try {
      // What is not sent stays; the type of the interface names every field.
      const body = { ...changes, version: seen.version, reason: reason.trim() } as StrategyUpdate
      const { data } = await portfolio.PUT('/api/v1/strategies/{strategy_id}', { params, body })
      if (data) start(data, {})
      setReason('')
      notifications.show({ message: `Saved as version ${data?.version ?? '?'}.` })
      await refresh('/api/v1/strategies')
    } catch (error) {
      setFailure(error)
      if (error instanceof RequestFailed && error.problem.code === 'VERSION_CONFLICT') {
        const now = await portfolio.GET('/api/v1/strategies/{strategy_id}', { params })
        setMoved(now.data ?? null)
      }
    } finally {
      setBusy(false)
    }
  }

  return (
    <Stack gap="md">
      <fieldset disabled={!mayConfigure} style={{ border: 0, padding: 0, margin: 0 }}>
        <Stack gap="md">
          <TradingFields value={{ ...seen, ...draft }} edit={edit} disabled={!mayConfigure} />
          <PeopleFields value={{ ...seen, ...draft }} edit={edit} disabled={!mayConfigure} />
        </Stack>
      </fieldset>
      {moved && (
        <Collisions
          now={moved}
          collisions={collisionsOf(base, moved, changes)}
          takeTheirs={() => start(moved, {})}
          keepMine={() => start(moved, changes)}
        />
      )}
      {failure !== null && !moved && (
        <Alert color="red" variant="light" role="alert">
          {sentenceOf(failure)}
        </Alert>
      )}
      {mayConfigure && count > 0 && !moved && (
        <Group align="end" gap="xs">
          <TextInput
            label="Reason"
            description="goes to the audit log"
            required
            value={reason}
            maxLength={1000}
            onChange={(event) => setReason(event.currentTarget.value)}
            w={{ base: '100%', xs: 320 }}
          />
          <Button onClick={save} loading={busy} disabled={reason.trim() === ''}>
            Save {count === 1 ? '1 change' : `${count} changes`}
          </Button>
          <Button variant="default" onClick={() => start(strategy, {})}>
            Undo
          </Button>
        </Group>
      )}
      <Text fz="xs" c="dimmed">
        Version {seen.version}
        {strategy.updated_by ? (
          <>
            , changed by {strategy.updated_by} <TimeText at={strategy.updated_at} />
          </>
        ) : (
          ', never changed'
        )}
      </Text>
    </Stack>
  )
}
