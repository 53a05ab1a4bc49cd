import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import { SessionContext } from '@/lib/session'
import { answers, takes } from '@/testing/answers'
import { AsOperator } from '@/testing/as-operator'
import { renderAt } from '@/testing/render'
import { SystemPage } from './system-page'

const AT = '2026-11-22T10:00:00Z'

function show(address: string) {
  renderAt(
    address,
    '/system',
    <AsOperator>
      <SystemPage />
    </AsOperator>,
  )
}

test('processes, queues and readiness tell what is wrong and what to do', async () => {
  answers('/system', {
    generated_at: AT,
    started_at: AT,
    services: [
      {
        name: 'cerebro',
        state: 'NOT_READY',
        detail: 'mongodb does not answer',
        uptime_s: 7200,
        memory_mb: 101.4,
        restarts: 2,
        version: '0.1.0+4f2a9c1b77de',
        layout: 12,
        log: '/api/v1/system/logs/cerebro',
      },
    ],
    queues: [{ name: 'decision', waiting: 3, overdue: 1, oldest_at: AT, oldest_age_s: 90 }],
    dead_letters: 0,
    failing_letters: 0,
    incidents: 0,
    checks: [],
    accounts: [
      {
        account_id: 'IB-1',
        state: 'RED',
        checks: [{ name: 'log-in', state: 'RED', sentence: 'it has run out', fix: 'log in' }],
      },
    ],
  })
  answers('/system/logs/cerebro', { service: 'cerebro', lines: ['one line'], truncated: false })
  show('/system')
  const line = (await screen.findByText('cerebro')).closest('tr')
  expect(line).toHaveTextContent('mongodb does not answer')
  expect(line).toHaveTextContent('0.1.0+4f2a9c1b77de')
  expect(line).toHaveTextContent('2 h')
  expect(screen.getByText('⚠ 1')).toBeInTheDocument()
  expect(screen.getByText(/it has run out/)).toBeVisible()
  await userEvent.click(screen.getByRole('button', { name: 'Last lines' }))
  expect(await screen.findByText('one line')).toBeInTheDocument()
})

test('an incident is acknowledged with a note', async () => {
  const incident = {
    incident_id: 'UNKNOWN_ORDER|MT1',
    kind: 'UNKNOWN_ORDER',
    key: 'MT1',
    sentence: 'the outcome of MT1 is not known',
    facts: { account_id: 'Mock-1' },
    status: 'OPEN',
    count: 2,
    opened_at: AT,
    last_seen_at: AT,
  }
  answers('/incidents', { rows: [incident], next: null })
  const came = takes('/incidents/:id/acknowledge', {
    incident_id: incident.incident_id,
    status: 'OPEN',
    acknowledged: true,
  })
  show('/system?tab=incidents&incident=UNKNOWN_ORDER%7CMT1')
  await userEvent.click(await screen.findByRole('button', { name: 'Acknowledge' }))
  const dialog = await screen.findByRole('dialog', { name: 'Note that you have seen it' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'calling the broker')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Acknowledge' }))
  expect(await screen.findByText(/It is noted/)).toBeInTheDocument()
  expect(came).toEqual([{ note: 'calling the broker' }])
})

test('a dead letter shows payload and error, and is replayed with a reason', async () => {
  const letter = {
    dead_letter_id: 'd1',
    subscription: 'cerebro-signals',
    topic: 'standardized-signals',
    payload: '{"signal_id":"sig_1"}',
    ordering_key: '',
    error: 'KeyError: price',
    failures: 5,
    status: 'DEAD',
    first_failed_at: AT,
    last_failed_at: AT,
    traceback: 'line 3',
  }
  answers('/dead-letters', { rows: [letter], next: null })
  answers('/dead-letters/d1', letter)
  const came = takes('/dead-letters/d1/replay', { dead_letter_id: 'd1', status: 'REPLAYING' })
  show('/system?tab=dead-letters')
  await userEvent.click(await screen.findByRole('button', { name: 'Open' }))
  expect(await screen.findByText(/"signal_id": "sig_1"/)).toBeInTheDocument()
  await userEvent.click(screen.getByRole('button', { name: 'Replay' }))
  const dialog = await screen.findByRole('dialog', { name: 'Handle this message again' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'price is there now')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Replay' }))
  expect(await screen.findByText('It goes to its consumer again')).toBeInTheDocument()
  expect(came).toEqual([{ reason: 'price is there now' }])
})

test('latency tells percentiles by stage', async () => {
  answers('/latency', {
    since: AT,
    until: AT,
    signals: 2,
    stages: [
      {
        stage: 'decided',
        name: 'standardized to decided',
        count: 2,
        p50_ms: 8,
        p95_ms: 12,
        p99_ms: 14,
        max_ms: 15,
        histogram: [
          { from_ms: 5, to_ms: 10, count: 1 },
          { from_ms: 10, to_ms: 15, count: 1 },
        ],
      },
    ],
  })
  show('/system?tab=latency')
  const line = (await screen.findAllByText('Standardized to decided'))[0]?.closest('tr')
  expect(line).toHaveTextContent('28 ms12 ms14 ms15 ms')
  expect(screen.getByRole('img', { name: /2 signals, from 5 ms to 15 ms/ })).toBeInTheDocument()
})

const DRILL = {
  running: false,
  started_by: 'ada',
  started_at: AT,
  size: { seed: null, signals: 200, rate: 5, faults: 20 },
  lines: ['faults begin'],
  report: {
    clean: false,
    started_at: AT,
    machine: '2 cores',
    seed: 7,
    signals: 200,
    rate: 5,
    seconds: 60,
    accepted: 200,
    orders: 150,
    fills: 140,
    faults_done: 20,
    restarts: 4,
    rules: [
      { name: 'cash are the broker\u2019s', broken: ['Mock-1: ours 5'], count: 1 },
      { name: 'nothing is reserved', broken: [], count: 0 },
    ],
    log: ['1.0 s KILL cerebro'],
  },
}

test('the last drill tells what does not hold, and operators start none', async () => {
  answers('/drill', DRILL)
  show('/system?tab=drill')
  expect(await screen.findByText('✗ Something does not hold')).toBeInTheDocument()
  expect(screen.getByText('Mock-1: ours 5')).toBeInTheDocument()
  expect(screen.getByText('An admin starts drills.')).toBeInTheDocument()
  expect(screen.queryByRole('button', { name: 'Start drill' })).not.toBeInTheDocument()
})

test('an admin starts a drill with a reason', async () => {
  answers('/drill', { ...DRILL, report: null })
  const came = takes('/drill', { ...DRILL, running: true })
  renderAt(
    '/system?tab=drill',
    '/system',
    <SessionContext value={{ name: 'ada', role: 'ADMIN', permissions: ['READ', 'ADMINISTER'] }}>
      <SystemPage />
    </SessionContext>,
  )
  await userEvent.click(await screen.findByRole('button', { name: 'Start drill' }))
  const dialog = await screen.findByRole('dialog', { name: 'Start a fault drill' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'before the audit')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Start' }))
  await vi.waitFor(() =>
    expect(came).toEqual([
      { size: { signals: 200, faults: 20, rate: 5 }, reason: 'before the audit' },
    ]),
  )
})
