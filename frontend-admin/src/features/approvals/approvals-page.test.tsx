import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test } from 'vitest'
import { answers, STEPS, takes } from '@/testing/answers'
import { AsOperator } from '@/testing/as-operator'
import { renderAt } from '@/testing/render'
import { ApprovalsPage } from './approvals-page'

const request = (left: number) => ({
  signal_id: 'sig_1',
  strategy_id: 'SPX',
  status: 'WAITING',
  sentence: 'SPX asks to BUY 10 AAPL',
  orders: [
    {
      account_id: 'Mock-1',
      leg_index: 0,
      symbol: 'AAPL',
      side: 'BUY',
      quantity: '10',
      order_type: 'MARKET',
      notional: '1500',
    },
  ],
  asked_at: new Date(Date.now() - 60_000).toISOString(),
  expires_at: new Date(Date.now() + left).toISOString(),
  on_timeout: 'REJECT',
  preview: { outcome: 'APPROVED', code: '', reason: '', steps: STEPS },
})

function show(left: number) {
  answers('/approvals', { rows: [request(left)], next: null })
  renderAt(
    '/approvals',
    '/approvals',
    <AsOperator>
      <ApprovalsPage />
    </AsOperator>,
  )
}

test('a card says what waits, how long there is, and what happens then', async () => {
  show(150_000)
  const card = await screen.findByRole('article', { name: 'SPX asks to BUY 10 AAPL' })
  expect(within(card).getByRole('timer')).toHaveTextContent(/^2:(30|29) left, then it is rejected$/)
  expect(within(card).getByText('10 asked → 2')).toBeInTheDocument()
})

test('half is answered with a reason and says what half is of', async () => {
  const came = takes('/approvals/sig_1', { ...request(1), status: 'HALVED' })
  show(150_000)
  await userEvent.click(await screen.findByRole('button', { name: 'Half' }))
  const dialog = await screen.findByRole('dialog')
  expect(within(dialog).getByText('BUY half of 10 AAPL, half of 1,500')).toBeInTheDocument()
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'careful')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Half' }))
  expect(await screen.findByText('SPX: Halved')).toBeInTheDocument()
  expect(came).toEqual([{ answer: 'HALF', reason: 'careful' }])
})

test('with nothing waiting the page says so', async () => {
  answers('/approvals', { rows: [], next: null })
  renderAt('/approvals', '/approvals', <ApprovalsPage />)
  expect(await screen.findByText(/Nothing waits for you/)).toBeInTheDocument()
})
