import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { beforeEach, expect, test } from 'vitest'
import { SessionContext } from '@/lib/session'
import { AAPL } from '@/testing/answers'
import { renderAt } from '@/testing/render'
import { server } from '@/testing/server'
import { RiskPage } from './risk-page'

const D = '*/api/dashboard_creator/v1'
const G = '*/api/signal_gateway/v1'
const SESSION = {
  name: 'ada',
  role: 'ADMIN' as const,
  permissions: ['READ', 'TRADE', 'CONFIGURE'],
}
const RUN = {
  run_id: 'k1',
  scope: 'GLOBAL',
  scope_id: '',
  stage: 'FLATTEN',
  by: 'ada',
  reason: 'a drill',
  requested_at: '2026-11-22T10:00:00Z',
  due_at: '2026-11-22T10:00:30Z',
  state: 'DONE',
  why: '',
  seconds: 4.2,
  accounts: [
    {
      account_id: 'Mock-1',
      state: 'DONE',
      looks: 3,
      asked: ['a', 'b', 'c'],
      orders: [],
      closings: [],
      late_exits: 0,
      orders_left: 0,
      positions_left: 0,
      trouble: '',
      remaining: [],
      notes: [],
    },
  ],
}

const HELD = {
  account_id: 'Mock-1',
  quantity: '17',
  deployed: '2550.34',
  instrument: AAPL,
}

beforeEach(() => {
  server.use(
    http.get(`${D}/controls`, () => HttpResponse.json([])),
    http.get(`${D}/frame`, () => HttpResponse.json({ environment: 'PAPER' })),
    http.get(`${D}/orders`, () => HttpResponse.json({ rows: [], next: null })),
    http.get(`${D}/positions`, () => HttpResponse.json({ rows: [], next: null })),
    http.get(`${G}/kill`, () => HttpResponse.json([])),
    http.get('*/api/account_data/v1/accounts', () => HttpResponse.json([])),
    http.get('*/api/portfolio_builder/v1/strategies', () =>
      HttpResponse.json({ strategies: [], unreadable: [] }),
    ),
  )
})

function show(address: string) {
  renderAt(
    address,
    '/risk',
    <SessionContext.Provider value={SESSION}>
      <RiskPage />
    </SessionContext.Provider>,
  )
}

test('a kill wants its word, and shows the proof', async () => {
  const sent: unknown[] = []
  server.use(
    http.post(`${G}/kill`, async ({ request }) => {
      sent.push(await request.json())
      return HttpResponse.json(RUN, { status: 202 })
    }),
    http.get(`${G}/kill/k1`, () => HttpResponse.json(RUN)),
  )
  show('/risk')
  await userEvent.click(await screen.findByText('FLATTEN'))
  await userEvent.click(screen.getByRole('button', { name: 'FLATTEN everything' }))
  const dialog = await screen.findByRole('dialog')
  const go = within(dialog).getByRole('button', { name: 'FLATTEN' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'a drill')
  expect(go).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/Type/), 'FLATTEN')
  await userEvent.click(go)
  expect(await screen.findByText(/orders 3 → 0, positions 0 → 0, done in 4.2 s/)).toBeVisible()
  expect(sent).toEqual([
    { scope: 'GLOBAL', scope_id: '', stage: 'FLATTEN', reason: 'a drill', confirm: true },
  ])
})

test('what becomes known while a kill is asked about is told, and its word follows', async () => {
  let tell = () => {}
  const known = new Promise<void>((resolve) => {
    tell = resolve
  })
  server.use(
    http.get(`${D}/frame`, async () => {
      await known
      return HttpResponse.json({ environment: 'PAPER' })
    }),
    http.get(`${D}/positions`, async () => {
      await known
      return HttpResponse.json({ rows: [HELD], next: null })
    }),
  )
  show('/risk')
  await userEvent.click(await screen.findByText('FLATTEN'))
  await userEvent.click(screen.getByRole('button', { name: /FLATTEN/ }))
  const dialog = within(await screen.findByRole('dialog'))
  expect(dialog.getByText('not known: whatever there is')).toBeInTheDocument()
  expect(dialog.getByText('LIVE, real money')).toBeInTheDocument()
  tell()
  expect(await dialog.findByText(/SELL 17 AAPL/)).toBeInTheDocument()
  expect(dialog.getByText('paper')).toBeInTheDocument()
  expect(dialog.getByRole('textbox', { name: 'Type FLATTEN to go on' })).toBeInTheDocument()
})

test('a limit is saved only after its effect was seen', async () => {
  const saved: unknown[] = []
  const set = {
    scope: 'ACCOUNT',
    scope_id: 'Mock-1',
    where: 'account Mock-1',
    version: 2,
    max_margin_ratio: '0.5',
    entries_window_seconds: '86400',
    restricted: false,
    max_volatility_multiple: '1',
    drawdown_governor_start_ratio: '0.05',
    drawdown_governor_floor_ratio: '0.1',
    reason: '',
    set_by: 'olga',
    uses: [
      { name: 'max_margin_ratio', account_id: 'Mock-1', limit: '0.5', used: '0.45', ratio: '0.9' },
    ],
  }
  server.use(
    http.get(`${D}/limits`, () => HttpResponse.json({ limits: [set], locks: [] })),
    http.post(`${D}/limits/preview`, () =>
      HttpResponse.json({
        sentence: '12 of 340 signals of the last 30 days would have been decided differently',
        days: 30,
        considered: 340,
        changed: 12,
        differences: [],
        unanswered: [],
        since: null,
        complete: true,
      }),
    ),
    http.put(`${D}/limits/ACCOUNT/Mock-1`, async ({ request }) => {
      saved.push(await request.json())
      return HttpResponse.json(set)
    }),
  )
  show('/risk?tab=limits&scope=ACCOUNT&id=Mock-1')
  const margin = await screen.findByLabelText('Margin')
  await userEvent.clear(margin)
  await userEvent.type(margin, '40')
  expect(screen.getByRole('button', { name: 'Save 1 limit' })).toBeDisabled()
  await userEvent.click(screen.getByRole('button', { name: 'What would it have done?' }))
  expect(await screen.findByText(/12 of 340 signals/)).toBeVisible()
  await userEvent.click(screen.getByRole('button', { name: 'Save 1 limit' }))
  const dialog = await screen.findByRole('dialog')
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'calmer')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Set' }))
  await waitFor(() =>
    expect(saved).toEqual([{ limits: { max_margin_ratio: '0.4' }, version: 2, reason: 'calmer' }]),
  )
})

test('a lock is reset with a reason, by the one that was looked at', async () => {
  const lock = {
    lock_id: 'DRAWDOWN|ACCOUNT|Mock-1',
    scope: 'ACCOUNT',
    scope_id: 'Mock-1',
    account_id: null,
    rule: 'DRAWDOWN',
    sentence: 'drawdown is 12%, above 10%',
    locked_at: '2026-11-22T10:00:00Z',
    until: 'until reset',
    resettable: true,
  }
  const jump = { ...lock, lock_id: 'j', rule: 'EQUITY_JUMP', resettable: false }
  const sent: [string, unknown][] = []
  server.use(
    http.get(`${D}/limits`, () => HttpResponse.json({ limits: [], locks: [lock, jump] })),
    http.post(`${D}/risk-locks/:id/reset`, async ({ request, params }) => {
      sent.push([decodeURIComponent(String(params.id)), await request.json()])
      return HttpResponse.json({ lock_id: lock.lock_id, sentence: 'counts from 9000' })
    }),
  )
  show('/risk?tab=limits')
  await userEvent.click(await screen.findByRole('button', { name: /Reset the lock/ }))
  const dialog = await screen.findByRole('dialog')
  expect(within(dialog).getByText('drawdown is 12%, above 10%')).toBeVisible()
  const go = within(dialog).getByRole('button', { name: 'Reset' })
  expect(go).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'accepted')
  await userEvent.click(go)
  await waitFor(() =>
    expect(sent).toEqual([[lock.lock_id, { locked_at: lock.locked_at, reason: 'accepted' }]]),
  )
  expect(await screen.findByText('Reset: counts from 9000')).toBeVisible()
})
