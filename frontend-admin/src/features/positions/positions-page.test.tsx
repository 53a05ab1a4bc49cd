import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test } from 'vitest'
import type { components } from '@/api/dashboard-creator'
import { AAPL, answers, strategies, takes } from '@/testing/answers'
import { AsOperator } from '@/testing/as-operator'
import { renderAt } from '@/testing/render'
import { PositionsPage } from './positions-page'

type Row = components['schemas']['PositionRow']

const ROW: Row = {
  strategy_id: 'SPX',
  account_id: 'Mock-1',
  instrument: AAPL,
  instrument_key: 'STOCK:AAPL:USD',
  quantity: '-17',
  average_price: '150.02',
  deployed: '2550.34',
  mark_price: '149',
  mark_at: '2026-11-22T10:00:00Z',
  mark_age_s: 900,
  unrealized_pnl: '17.34',
  realized_pnl: '0',
  commissions: '1',
  margin: '1275.17',
  reconciled: { state: 'EQUAL', sentence: '' },
  updated_at: '2026-11-22T10:00:00Z',
  strategies: ['SPX'],
}

beforeEach(strategies)

function show(environment: string, ...rows: Row[]) {
  return showAt('/positions', environment, ...rows)
}

function showAt(address: string, environment: string, ...rows: Row[]) {
  answers('/frame', { environment })
  const asked = answers('/positions', { rows, next: null })
  renderAt(
    address,
    '/positions',
    <AsOperator>
      <PositionsPage />
    </AsOperator>,
  )
  return asked
}

test('a position tells its profit, an old mark is greyed, and the broker agrees or not', async () => {
  show('PAPER', ROW, {
    ...ROW,
    strategy_id: 'Forex',
    reconciled: { state: 'DIFFERS', books: '100', broker: '90', sentence: 'since 10:00' },
  })
  const rows = await screen.findAllByText('▲')
  expect(rows[0]?.closest('tr')).toHaveTextContent('▲ +17.34')
  expect(screen.getAllByText('149.00')[0]?.parentElement).toHaveClass('stale')
  expect(screen.getByText('✓ equal')).toBeInTheDocument()
  expect(screen.getByText(/ours 100 broker 90/)).toBeInTheDocument()
})

test('the switch asks anew and hides whose a sum is', async () => {
  const asked = show('PAPER', ROW)
  await screen.findByText('Flatten')
  await userEvent.click(screen.getByText('By instrument'))
  await screen.findByText('Strategies')
  expect(asked.at(-1)?.get('by')).toBe('instrument')
  expect(screen.queryByText('Flatten')).not.toBeInTheDocument()
})

test('where money is real, flattening needs the word typed', async () => {
  const came = takes('/positions/flatten', { run_id: 'k1', sentence: 'closing 17 AAPL' })
  show('LIVE', ROW)
  await userEvent.click(await screen.findByRole('button', { name: 'Flatten' }))
  const dialog = await screen.findByRole('dialog')
  // Short 17: what closes it buys.
  expect(within(dialog).getByText('BUY, at market')).toBeInTheDocument()
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'end of day')
  const act = within(dialog).getByRole('button', { name: 'Flatten' })
  expect(act).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/LIVE/), 'LIVE')
  await userEvent.click(act)
  expect(await screen.findByText('closing 17 AAPL')).toBeInTheDocument()
  const place = { strategy_id: 'SPX', account_id: 'Mock-1', instrument_key: 'STOCK:AAPL:USD' }
  expect(came).toEqual([
    { ...place, confirm: [{ ...place, side: 'BUY', quantity: '17' }], reason: 'end of day' },
  ])
})

test('a whole account is flattened as it was seen, and its proof follows', async () => {
  const came = takes('/positions/flatten', { run_id: 'k1', sentence: 'FLATTEN account Mock-1' })
  showAt('/positions?account_id=Mock-1', 'PAPER', ROW, {
    ...ROW,
    strategy_id: 'Forex',
    strategies: ['Forex'],
    quantity: '40.5',
  })
  await userEvent.click(await screen.findByRole('button', { name: 'Flatten account Mock-1' }))
  const dialog = await screen.findByRole('dialog')
  expect(within(dialog).getByText('BUY 17 AAPL in Mock-1 (SPX)')).toBeInTheDocument()
  expect(within(dialog).getByText('SELL 40.5 AAPL in Mock-1 (Forex)')).toBeInTheDocument()
  const act = within(dialog).getByRole('button', { name: 'Flatten 2 positions' })
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'fire')
  expect(act).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/FLATTEN/), 'FLATTEN')
  await userEvent.click(act)
  await waitFor(() => expect(came.length).toBe(1))
  const place = { account_id: 'Mock-1', instrument_key: 'STOCK:AAPL:USD' }
  expect(came[0]).toEqual({
    strategy_id: '',
    account_id: 'Mock-1',
    instrument_key: '',
    confirm: [
      { ...place, strategy_id: 'SPX', side: 'BUY', quantity: '17' },
      { ...place, strategy_id: 'Forex', side: 'SELL', quantity: '40.5' },
    ],
    reason: 'fire',
  })
})

test('without one strategy or one account there is nothing whole to flatten', async () => {
  showAt('/positions?account_id=Mock-1&strategy_id=SPX', 'PAPER', ROW)
  await screen.findByRole('button', { name: 'Flatten' })
  expect(screen.queryByRole('button', { name: /Flatten (account|strategy)/ })).toBeNull()
})
