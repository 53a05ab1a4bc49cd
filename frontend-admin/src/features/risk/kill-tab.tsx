import { Button, Group, SegmentedControl, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { $gateway, gateway } from '@/api/client'
import type { Fact } from '@/components/confirm'
import { Panel } from '@/components/panel'
import { type Scope, ScopeFields, scopeWords } from '@/components/scope-fields'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { useUrlState } from '@/lib/use-url-state'
import { InScope, OrdersReached, PositionsReached } from './in-scope'
import { KillRunPanel } from './kill-run'
import type { KillRun } from './proof'

type Stage = KillRun['stage']
const STAGES: Record<Stage, string> = {
  REDUCE: 'No entries any more; exits and stops go on.',
  CANCEL: 'No entries, and working orders are canceled.',
  FLATTEN: 'No entries, no working orders, and positions are closed at market.',
}

/** Stop, in three stages; the broker's own word is the proof. */
export function KillTab() {
  const [runId, setRunId] = useUrlState('run')
  const mayTrade = useMay('TRADE')
  return (
    <Stack gap="md">
      {runId && <KillRunPanel runId={runId} close={() => setRunId(null)} key={runId} />}
      {mayTrade ? (
        <KillForm started={setRunId} />
      ) : (
        <Text fz="sm" c="dimmed">
          Only operators and admins may stop trading.
        </Text>
      )}
      <Runs open={setRunId} />
    </Stack>
  )
}

function KillForm({ started }: { started: (runId: string) => void }) {
  const [scope, setScope] = useState<Scope>('GLOBAL')
  const [id, setId] = useState('')
  const [stage, setStage] = useState<Stage>('REDUCE')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const words = scopeWords(scope, id)

  async function kill(reason: string) {
    const { data } = await gateway.POST('/api/v1/kill', {
      body: { scope, scope_id: scope === 'GLOBAL' ? '' : id, stage, reason, confirm: true },
    })
    await refresh('/api/v1/kill', '/api/v1/controls', '/api/v1/frame')
    if (data) started(data.run_id)
  }
  function open() {
    const orders: Fact = ['Orders', <OrdersReached scope={scope} id={id} key="orders" />]
    const held: Fact = ['Positions', <PositionsReached scope={scope} id={id} key="positions" />]
    const reached = { REDUCE: [], CANCEL: [orders], FLATTEN: [orders, held] }
    ask({
      title: `${stage}: ${words}`,
      facts: [
        ['Scope', words],
        ['Does', STAGES[stage]],
        ...reached[stage],
        ['Until', 'a person releases it'],
      ],
      reason: true,
      money: true,
      word: stage,
      danger: true,
      action: stage,
      act: kill,
    })
  }

  return (
    <Panel title="Kill switch">
      <Stack gap="sm">
        <Group gap="xs" align="end">
          <ScopeFields
            scope={scope}
            id={id}
            change={(next, named) => {
              setScope(next)
              setId(named)
            }}
          />
          <SegmentedControl
            size="xs"
            aria-label="Stage"
            data={Object.keys(STAGES)}
            value={stage}
            onChange={(chosen) => setStage(chosen as Stage)}
          />
          <Button color="red" onClick={open} disabled={scope !== 'GLOBAL' && id.trim() === ''}>
            {stage} {words}
          </Button>
        </Group>
        <Text fz="sm">{STAGES[stage]}</Text>
        <InScope scope={scope} id={id} />
      </Stack>
      {question}
    </Panel>
  )
}

function Runs({ open }: { open: (runId: string) => void }) {
  const query = $gateway.useQuery('get', '/api/v1/kill', { params: { query: { limit: 20 } } })
  return (
    <Panel title="Earlier runs">
      <Loaded query={query} what="Runs" rows={3}>
        {(runs) =>
          runs.length === 0 ? (
            <Empty>Nothing was ever stopped here.</Empty>
          ) : (
            <SmallTable
              label="Earlier runs"
              rows={runs}
              keyOf={(run) => run.run_id}
              columns={[
                {
                  name: 'what',
                  title: 'What',
                  cell: (run) => `${run.stage} ${scopeWords(run.scope, run.scope_id ?? '')}`,
                },
                {
                  name: 'state',
                  title: 'State',
                  cell: (run) => <StatusBadge status={run.state} />,
                },
                {
                  name: 'took',
                  title: 'Took, s',
                  numeric: true,
                  cell: (run) => run.seconds?.toFixed(1) ?? '–',
                },
                { name: 'by', title: 'By', cell: (run) => run.by, wide: true },
                { name: 'reason', title: 'Reason', cell: (run) => run.reason, wide: true },
                {
                  name: 'when',
                  title: 'When',
                  cell: (run) => <TimeText at={run.requested_at} />,
                },
                {
                  name: 'open',
                  title: '',
                  cell: (run) => (
                    <Button
                      variant="default"
                      size="compact-xs"
                      onClick={() => open(run.run_id)}
                      aria-label={`Show the run of ${run.requested_at}`}
                    >
                      Show
                    </Button>
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
    </Panel>
  )
}
