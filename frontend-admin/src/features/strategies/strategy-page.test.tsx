import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { expect, test } from 'vitest'
import { SessionContext } from '@/lib/session'
import { renderAt } from '@/testing/render'
import { server } from '@/testing/server'
import { StrategyPage } from './strategy-page'

const STRATEGY = {
  strategy_id: 'Com1-Met',
  status: 'ACTIVE',
  mode: 'PAPER',
  accounts: [{ account_id: 'Mock-1', weight_ratio: '1', multiplier_ratio: '1' }],
  instrument_types: [],
  sizing: { policy: 'RATIO' },
  equity_base: 'ACCOUNT',
  split: 'BY_WEIGHT',
  priority: 100,
  min_size_ratio: '0',
  group_policy: 'HOLD',
  name: 'Metals',
  description: '',
  owner: 'olga',
  developer_contact: '',
  asset_class: 'FUTURES',
  instruments: [],
  include_in_optimization: true,
  notes: '',
  version: 3,
  updated_by: 'olga',
  updated_at: '2026-11-20T10:00:00Z',
  allocation_ratio: '0.25',
  credentials: [],
  warnings: [],
}
const URL_OF = '*/api/portfolio_builder/v1/strategies/Com1-Met'
const ADMIN = { name: 'ada', role: 'ADMIN' as const, permissions: ['READ', 'TRADE', 'CONFIGURE'] }

function show(tab: string, permissions = ADMIN.permissions) {
  server.use(
    http.get(URL_OF, () => HttpResponse.json(STRATEGY)),
    http.get('*/api/account_data/v1/accounts', () => HttpResponse.json([])),
    http.get(`${URL_OF}/records`, () =>
      HttpResponse.json({ strategy_id: 'Com1-Met', sources: [], versions: [], uploads: [] }),
    ),
  )
  renderAt(
    `/strategies/Com1-Met?tab=${tab}`,
    '/strategies/:id',
    <SessionContext.Provider value={{ ...ADMIN, permissions }}>
      <StrategyPage />
    </SessionContext.Provider>,
  )
}

test('a change sends only what is otherwise, with the version looked at', async () => {
  const sent: unknown[] = []
  show('settings')
  server.use(
    http.put(URL_OF, async ({ request }) => {
      sent.push(await request.json())
      return HttpResponse.json({ ...STRATEGY, owner: 'ivan', version: 4 })
    }),
  )
  const owner = await screen.findByLabelText('Owner')
  await userEvent.clear(owner)
  await userEvent.type(owner, 'ivan')
  const save = await screen.findByRole('button', { name: 'Save 1 change' })
  expect(save).toBeDisabled()
  await userEvent.type(screen.getByLabelText(/Reason/), 'moved')
  await userEvent.click(save)
  await waitFor(() => expect(sent).toEqual([{ owner: 'ivan', version: 3, reason: 'moved' }]))
})

test('where somebody was faster both changes stand side by side', async () => {
  show('settings')
  const owner = await screen.findByLabelText('Owner')
  server.use(
    http.put(URL_OF, () =>
      HttpResponse.json(
        { code: 'VERSION_CONFLICT', message: 'it is at version 4', field: 'version' },
        { status: 409 },
      ),
    ),
    http.get(URL_OF, () =>
      HttpResponse.json({ ...STRATEGY, owner: 'bob', version: 4, updated_by: 'bob' }),
    ),
  )
  await userEvent.clear(owner)
  await userEvent.type(owner, 'ivan')
  await userEvent.type(await screen.findByLabelText(/Reason/), 'moved')
  await userEvent.click(screen.getByRole('button', { name: 'Save 1 change' }))
  const table = await screen.findByRole('table', { name: 'What somebody else has changed' })
  const row = within(table).getByRole('row', { name: /Owner/ })
  expect(row).toHaveTextContent('olga')
  expect(row).toHaveTextContent('bob')
  expect(row).toHaveTextContent('ivan')
  expect(screen.getByText(/bob has changed this strategy meanwhile/)).toBeInTheDocument()
})

test('real money wants its word typed', async () => {
  const sent: unknown[] = []
  show('promotion')
  server.use(
    http.put(URL_OF, async ({ request }) => {
      sent.push(await request.json())
      return HttpResponse.json({ ...STRATEGY, mode: 'LIVE', version: 4 })
    }),
  )
  await userEvent.click(await screen.findByRole('button', { name: 'Promote to LIVE' }))
  const dialog = await screen.findByRole('dialog')
  const go = within(dialog).getByRole('button', { name: 'Promote to LIVE' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'a year of paper')
  expect(go).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/Type LIVE/), 'LIVE')
  await userEvent.click(go)
  await waitFor(() =>
    expect(sent).toEqual([{ mode: 'LIVE', version: 3, reason: 'a year of paper' }]),
  )
})

test('who may not configure sees no way to change', async () => {
  show('promotion', ['READ', 'TRADE'])
  expect(await screen.findByText(/Nothing keeps it from trading/)).toBeInTheDocument()
  expect(screen.queryByRole('button', { name: /Promote/ })).toBeNull()
  expect(screen.queryByRole('button', { name: 'Archive' })).toBeNull()
})
