import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { HttpResponse, http } from 'msw'
import { expect, test, vi } from 'vitest'
import type { components } from '@/api/dashboard-creator'
import { answers } from '@/testing/answers'
import { renderAt } from '@/testing/render'
import { server } from '@/testing/server'
import { OverviewPage } from './overview-page'

vi.mock('@/components/curve-canvas', () => ({
  CurveCanvas: ({ label }: { label: string }) => <p>{label}</p>,
}))

const AT = '2026-11-22T10:00:00Z'
const OVERVIEW: components['schemas']['Overview'] = {
  generated_at: AT,
  trading_mode: 'paper',
  trading_state: 'ACTIVE',
  range: '1M',
  figures: {
    account_type: 'PAPER',
    currency: 'USD',
    equity: '1000000',
    missing: '',
    as_of: AT,
    stale: true,
    today_pnl: '-1250.5',
    today_ratio: '-0.0012',
    drawdown_ratio: '0.034',
    margin_used: '250000',
    margin_ratio: '0.25',
    margin_limit_ratio: '0.6',
  },
  curve: [
    { at: '2026-11-21T00:00:00Z', equity: '990000', growth: 1, drawdown_ratio: 0, benchmark: 1 },
    { at: AT, equity: '1000000', growth: 1.01, drawdown_ratio: 0.034, benchmark: 1.02 },
  ],
  strategies: [
    {
      strategy_id: 'SPX',
      name: 'SPX',
      status: 'ACTIVE',
      mode: 'PAPER',
      allocation_ratio: '0.5',
      currency: 'USD',
      exposure: '1500',
      today_pnl: '12',
      mtd_pnl: null,
      unknown: 'no mark of 1 Nov',
      verdict: 'DOUBTFUL',
      verdict_sentences: ['half of what was claimed'],
      last_signal: { signal_id: 'sig_1', status: 'COMPLETED', received_at: AT },
      silence: { too_long: true, sentence: 'quiet for 3 days, usually 1' },
    },
  ],
  exposure: {
    currency: 'USD',
    gross: '1500',
    net: '1500',
    by_asset_class: [
      {
        name: 'STOCK',
        instrument_type: 'STOCK',
        gross: '1500',
        net: '1500',
        gross_ratio: '0.0015',
      },
    ],
    by_instrument: [
      { name: 'AAPL', instrument_type: 'STOCK', gross: '1500', net: '1500', gross_ratio: '0.0015' },
    ],
    missing: [{ name: 'RELIANCE', reason: 'no rate of INR' }],
  },
  needs_person: {
    total: 3,
    rows: [{ kind: 'UNKNOWN_ORDER', key: 'MT1', sentence: 'MT1 is not known', since: AT }],
  },
  services: [{ name: 'cerebro', state: 'DOWN', sentence: 'does not answer' }],
}

test('one glance: figures with their age, what is unknown, silent or in need of a person', async () => {
  answers('/overview', OVERVIEW)
  renderAt('/', '/', <OverviewPage />)
  const equity = await screen.findByRole('region', { name: 'Equity, USD' })
  expect(equity).toBeInTheDocument()
  expect(screen.getByText('1,000,000.00').parentElement).toHaveClass('stale')
  expect(screen.getByText('−1,250.50', { exact: false })).toHaveTextContent('▼')
  expect(screen.getByRole('img', { name: 'margin use: 25.00 % of 60.00 %' })).toBeInTheDocument()
  expect(screen.getByText('⚠ silent too long')).toBeInTheDocument()
  expect(screen.getByText('? doubtful')).toBeInTheDocument()
  expect(screen.getByText('MT1 is not known')).toHaveAttribute('href', '/orders/MT1')
  expect(screen.getByText('and 2 more')).toBeInTheDocument()
  expect(screen.getByText(/RELIANCE is not in the sums: no rate of INR/)).toBeInTheDocument()
  expect(screen.getByText('down')).toBeInTheDocument()
  expect(await screen.findByText(/Equity from 990,000.00 to 1,000,000.00 USD/)).toBeVisible()
})

test('range and exposure are in the address and asked for', async () => {
  const asked = answers('/overview', OVERVIEW)
  renderAt('/?range=YTD', '/', <OverviewPage />)
  await screen.findByText('MT1 is not known')
  expect(asked[0]?.get('range')).toBe('YTD')
  await userEvent.click(screen.getByText('Instrument'))
  const table = await screen.findByRole('table', { name: 'exposure' })
  expect(within(table).getByText('AAPL')).toBeInTheDocument()
})

test('what fails says so and can be tried again', async () => {
  server.use(
    http.get('/api/dashboard_creator/v1/overview', () =>
      HttpResponse.json(
        { code: 'NOT_READY', message: 'the database does not answer', field: '' },
        { status: 503 },
      ),
    ),
  )
  renderAt('/', '/', <OverviewPage />)
  expect(await screen.findByText(/the database does not answer/)).toBeInTheDocument()
  answers('/overview', OVERVIEW)
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
  expect(await screen.findByText('MT1 is not known')).toBeInTheDocument()
})
