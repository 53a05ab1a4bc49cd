import { Button, Group, NumberInput, Stack, Text } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { $dashboards, dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { CopyBlock } from '@/components/copy-block'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { amount, duration } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'

type Drill = components['schemas']['Drill']
type Report = components['schemas']['DrillReport']

/** The whole system hurt on purpose, beside this one, at the mock broker: progress and last report. */
export function FaultDrill() {
  const drill = $dashboards.useQuery('get', '/api/v1/drill', undefined, {
    refetchInterval: (query) => (query.state.data?.running ? 2_000 : 30_000),
  })
  return (
    <Loaded query={drill} what="The fault drill" rows={10}>
      {(found) => (
        <Stack gap="md">
          <Panel title={found.running ? 'A drill runs' : 'Start a drill'}>
            {found.running ? <Progress drill={found} /> : <Start />}
          </Panel>
          <Panel title="Last report">
            {found.report ? (
              <Told report={found.report} />
            ) : (
              <Empty command="python3 scripts/chaos.py --signals 200 --rate 5 --faults 20">
                No drill has ended here yet.
              </Empty>
            )}
          </Panel>
        </Stack>
      )}
    </Loaded>
  )
}

function Progress({ drill }: { drill: Drill }) {
  return (
    <Stack gap="sm">
      <Text fz="sm">
        {drill.size?.signals} signals and {drill.size?.faults} faults, started by {drill.started_by}
        {drill.started_at && (
          <>
            {' '}
            <TimeText at={drill.started_at} />
          </>
        )}
      </Text>
      <CopyBlock label="progress" value={drill.lines.join('\n') || 'Its processes are starting'} />
    </Stack>
  )
}

function Start() {
  const mayAdminister = useMay('ADMINISTER')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const [signals, setSignals] = useState(200)
  const [faults, setFaults] = useState(20)
  if (!mayAdminister) return <Text fz="sm">An admin starts drills.</Text>

  function start() {
    ask({
      title: 'Start a fault drill',
      facts: [
        ['Signals', String(signals)],
        ['Faults', String(faults)],
        ['Where', 'processes and a database of its own, at the mock broker'],
        ['Meanwhile', 'it takes much of this machine'],
      ],
      reason: true,
      action: 'Start',
      act: async (reason) => {
        await dashboards.POST('/api/v1/drill', {
          body: { size: { signals, faults, rate: 5 }, reason },
        })
        notifications.show({ message: 'The drill begins' })
        await refresh('/api/v1/drill')
      },
    })
  }

  return (
    <Group align="end" gap="sm">
      <NumberInput
        label="Signals"
        min={10}
        max={5000}
        allowDecimal={false}
        value={signals}
        onChange={(value) => setSignals(Number(value))}
      />
      <NumberInput
        label="Faults"
        min={0}
        max={200}
        allowDecimal={false}
        value={faults}
        onChange={(value) => setFaults(Number(value))}
      />
      <Button onClick={start}>Start drill</Button>
      {question}
    </Group>
  )
}

function Told({ report }: { report: Report }) {
  return (
    <Stack gap="sm">
      <Text fz="sm" className={report.clean ? 'up' : 'down'}>
        {report.clean ? '✓ Everything held' : '✗ Something does not hold'}
      </Text>
      <KeyFacts
        facts={[
          ['Began', <TimeText key="began" at={report.started_at} relative={false} />],
          ['Took', duration(report.seconds * 1000)],
          ['Seed', report.seed],
          ['Signals', amount(report.accepted, 0)],
          ['Faults', amount(report.faults_done, 0)],
          ['Restarts', amount(report.restarts, 0)],
          ['Orders', amount(report.orders, 0)],
          ['Fills', amount(report.fills, 0)],
          ['Machine', report.machine],
        ]}
      />
      {report.rules.map((rule) => (
        <Text key={rule.name} fz="sm" component="div">
          <span className={rule.count ? 'down' : 'up'}>{rule.count ? '✗' : '✓'}</span> {rule.name}
          {rule.broken.map((broken) => (
            <Text key={broken} span fz="xs" c="dimmed" display="block" pl="md">
              {broken}
            </Text>
          ))}
        </Text>
      ))}
      <CopyBlock label="faults" value={report.log.join('\n')} />
    </Stack>
  )
}
