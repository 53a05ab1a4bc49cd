import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { expect, test, vi } from 'vitest'
import type { components } from '@/api/dashboard-creator'
import type { FillsProps } from '@/components/fills-canvas'
import { AAPL, answers, order, STEPS, takes } from '@/testing/answers'
import { AsOperator } from '@/testing/as-operator'
import { renderAt } from '@/testing/render'
import { server } from '@/testing/server'
import { SignalPage } from './signal-page'

vi.mock('@/components/fills-canvas', () => ({
  FillsCanvas: ({ label, prices }: FillsProps) => (
    <p>
      {label}, {prices?.length ?? 'no'} prices
    </p>
  ),
}))

const AT = '2026-11-22T10:00:00Z'
const SIGNAL: components['schemas']['SignalPage'] = {
  signal_id: 'sig_1',
  strategy_id: 'SPX',
  external_id: 'e1',
  status: 'COMPLETED',
  intent: 'ENTRY',
  code: '',
  sentence: 'SPX asked to BUY 10 AAPL; we bought 2 in Mock-1 at 150.02, 14 ms after it arrived',
  received_at: AT,
  road: [
    { name: 'RECEIVED', at: AT, since_arrival_ms: 0, since_previous_ms: null, waited_for: '' },
  ],
  raw_id: 'r1',
  paths: [{ source: 'api', received_at: AT }],
  replay_of: null,
  replays: [],
  environment: 'staging',
  sender_equity: '500000',
  legs: [
    {
      leg_index: 0,
      instrument: AAPL,
      side: 'BUY',
      quantity: '10',
      quantity_unit: 'UNITS',
      order_type: 'MARKET',
      time_in_force: 'DAY',
    },
  ],
  warnings: [],
  quarantine: null,
  decision: {
    outcome: 'RESIZED',
    code: 'POSITION_SIZE_BOUND',
    reason: 'too large',
    steps: STEPS,
    passable: [],
    cancels: [],
    decided_at: AT,
  },
  orders: [{ ...order(), events: [] }],
  fills: [
    {
      execution_id: 'x1',
      client_order_id: 'MT1',
      signal_id: 'sig_1',
      strategy_id: 'SPX',
      account_id: 'Mock-1',
      instrument_key: 'STOCK:AAPL:USD',
      side: 'BUY',
      quantity: '2',
      price: '150.02',
      commission: '1',
      realized_pnl: '0',
      occurred_at: AT,
      recorded_at: AT,
    },
  ],
  positions: [],
  raw: {
    source: 'api',
    reader: 'json',
    remote: '10.0.0.5',
    body: '{"strategy_name":"SPX","passphrase":"***"}',
    received_at: AT,
  },
  waiting_for: '',
  contention: ['Forex took 1,000 of the margin first'],
}

const asked: URLSearchParams[] = []

function show() {
  answers('/signals/sig_1', SIGNAL)
  server.use(
    http.get('/api/account_data/v1/accounts/Mock-1/prices', ({ request }) => {
      asked.push(new URL(request.url).searchParams)
      return HttpResponse.json({ points: [{ at: AT, price: '150' }] })
    }),
  )
  renderAt(
    '/signals/sig_1',
    '/signals/:id',
    <AsOperator>
      <SignalPage />
    </AsOperator>,
  )
}

test('all of a signal is on its page', async () => {
  show()
  expect(await screen.findByText(SIGNAL.sentence)).toBeInTheDocument()
  expect(screen.getByText('Forex took 1,000 of the margin first')).toBeInTheDocument()
  expect(screen.getByText('BUY 17 AAPL in Mock-1')).toHaveAttribute('href', '/orders/MT1')
  expect(within(screen.getByRole('table', { name: 'fills' })).getByText('150.02')).toBeVisible()
  const chart = await screen.findByText(/1 fills of AAPL on its price/)
  await waitFor(() => expect(chart).toHaveTextContent('1 prices'))
  // Half an hour before the first fill until half an hour after the last.
  expect(Object.fromEntries(asked.at(-1) ?? [])).toEqual({
    instrument_key: 'STOCK:AAPL:USD',
    from: '2026-11-22T09:30:00.000Z',
    to: '2026-11-22T10:30:00.000Z',
  })
  expect(screen.getByText(/"passphrase": "\*\*\*"/)).toBeInTheDocument()
  expect(screen.getByText('Evidence bundle').closest('a')).toHaveAttribute(
    'href',
    '/api/dashboard_creator/v1/signals/sig_1/evidence',
  )
})

test('a replay is asked about once more, and leads to the new signal', async () => {
  const came = takes('/signals/sig_1/replay', { signal_id: 'sig_2' }, 'signal_gateway')
  answers('/signals/sig_2', { ...SIGNAL, signal_id: 'sig_2', sentence: 'the second one' })
  show()
  await userEvent.click(await screen.findByRole('button', { name: 'Replay' }))
  const dialog = await screen.findByRole('dialog')
  expect(within(dialog).getByText('BUY 10 AAPL')).toBeInTheDocument()
  await userEvent.click(within(dialog).getByRole('button', { name: 'Replay' }))
  expect(await screen.findByText('the second one')).toBeInTheDocument()
  expect(came).toEqual([{ fresh: true }])
})

test('the linter is sent what came, as it is', async () => {
  let sent = ''
  server.use(
    http.post('/api/signal_gateway/v1/signals/lint', async ({ request }) => {
      sent = await request.text()
      return HttpResponse.json({
        ok: false,
        summary: 'it would be refused',
        problems: [
          { code: 'MISSING_FIELD', message: 'signal_legs is missing', fix: '', field: '' },
        ],
        warnings: [],
      })
    }),
  )
  show()
  await userEvent.click(await screen.findByRole('button', { name: 'Lint' }))
  expect(await screen.findByText(/signal_legs is missing/)).toBeInTheDocument()
  expect(sent).toBe(SIGNAL.raw?.body)
})

test('a signal that is not there is said to be so, with a way on', async () => {
  server.use(
    http.get('/api/dashboard_creator/v1/signals/sig_9', () =>
      HttpResponse.json(
        { code: 'UNKNOWN_SIGNAL', message: "there is no signal 'sig_9'", field: '' },
        { status: 404 },
      ),
    ),
  )
  renderAt('/signals/sig_9', '/signals/:id', <SignalPage />)
  expect(await screen.findByText(/there is no signal 'sig_9'/)).toBeInTheDocument()
  expect(screen.getByRole('button', { name: 'Try again' })).toBeInTheDocument()
})
