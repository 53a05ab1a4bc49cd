import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test } from 'vitest'
import { answers, strategies } from '@/testing/answers'
import { renderAt } from '@/testing/render'
import { SignalsPage } from './signals-page'

const row = (id: string) => ({
  signal_id: id,
  strategy_id: 'SPX',
  external_id: null,
  intent: 'ENTRY',
  environment: 'staging',
  legs: `BUY 10 ${id}`,
  status: 'COMPLETED',
  outcome: 'RESIZED',
  code: 'POSITION_SIZE_BOUND',
  received_at: '2026-11-22T10:00:00Z',
  decided_ms: 8,
  submitted_ms: 14,
  filled_ms: 20,
  realized_pnl: '-12.5',
  currency: 'USD',
})

beforeEach(strategies)

test('a signal is a line: what was asked, how it ended, how fast, and what it made', async () => {
  answers('/signals', { rows: [row('AAPL')], next: null })
  renderAt('/signals', '/signals', <SignalsPage />)
  const line = (await screen.findByText('BUY 10 AAPL')).closest('tr')
  expect(line).toHaveTextContent('14 ms')
  expect(line).toHaveTextContent('▼ −12.50')
  expect(line).toHaveTextContent('Position size bound')
  expect(screen.getByText('1 signal')).toBeInTheDocument()
  expect(line?.querySelector('a')).toHaveAttribute('href', '/signals/AAPL')
})

test('filters are asked for, kept in the export, and can be cleared', async () => {
  const asked = answers('/signals', { rows: [row('AAPL')], next: null })
  renderAt('/signals?status=DENIED', '/signals', <SignalsPage />)
  await screen.findByText('BUY 10 AAPL')
  expect(asked[0]?.get('status')).toBe('DENIED')
  await userEvent.type(screen.getByLabelText('Id or symbol'), 'TSLA')
  await waitFor(() => expect(asked.at(-1)?.get('q')).toBe('TSLA'))
  expect(screen.getByText('Export CSV').closest('a')).toHaveAttribute(
    'href',
    '/api/dashboard_creator/v1/signals.csv?q=TSLA&status=DENIED',
  )
  await userEvent.click(screen.getByText('Clear filters'))
  await waitFor(() => expect(asked.at(-1)?.get('status')).toBeNull())
})

test('older pages follow until there is none', async () => {
  const asked = answers('/signals', (query: URLSearchParams) =>
    query.get('before') === 'c1'
      ? { rows: [row('OLD')], next: null }
      : { rows: [row('NEW')], next: 'c1' },
  )
  renderAt('/signals', '/signals', <SignalsPage />)
  expect(await screen.findByText('BUY 10 OLD')).toBeInTheDocument()
  expect(screen.getByText('BUY 10 NEW')).toBeInTheDocument()
  expect(asked).toHaveLength(2)
})

test('with nothing to show, the next step is named', async () => {
  answers('/signals', { rows: [], next: null })
  renderAt('/signals', '/signals', <SignalsPage />)
  expect(await screen.findByText(/send_signal.py/)).toBeInTheDocument()
})
