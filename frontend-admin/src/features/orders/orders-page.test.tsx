import { screen, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, expect, test } from 'vitest'
import { answers, order, strategies, takes } from '@/testing/answers'
import { AsOperator } from '@/testing/as-operator'
import { renderAt } from '@/testing/render'
import { OrdersPage } from './orders-page'

beforeEach(strategies)

function show(...orders: ReturnType<typeof order>[]) {
  const asked = answers('/orders', (query: URLSearchParams) => ({
    rows: orders.filter((each) => !query.get('status') || each.status === query.get('status')),
    next: null,
  }))
  renderAt(
    '/orders',
    '/orders',
    <AsOperator>
      <OrdersPage />
    </AsOperator>,
  )
  return asked
}

test('orders of which nobody knows the outcome stand on top, with what is done about them', async () => {
  const asked = show(
    order({ client_order_id: 'MT2', status: 'UNKNOWN', doing: 'the broker is asked every 2 s' }),
    order(),
  )
  const alert = await screen.findByRole('alert')
  expect(alert).toHaveTextContent('The outcome of an order is not known')
  expect(alert).toHaveTextContent('the broker is asked every 2 s')
  expect(asked.some((query) => query.get('working') === 'true')).toBe(true)
  // Canceling what may not be there helps nobody: it is resolved instead.
  expect(screen.getAllByRole('button', { name: 'Resolve' })).toHaveLength(1)
  expect(screen.getAllByRole('button', { name: 'Cancel' })).toHaveLength(1)
})

test('canceling repeats the order and needs a reason', async () => {
  const came = takes('/orders/MT1/cancel', { client_order_id: 'MT1', sentence: 'it is asked' })
  show(order())
  await userEvent.click(await screen.findByRole('button', { name: 'Cancel' }))
  const dialog = await screen.findByRole('dialog')
  for (const fact of ['Mock-1', 'AAPL', 'BUY', '17, of which 12 not filled'])
    expect(within(dialog).getByText(fact)).toBeInTheDocument()
  const act = within(dialog).getByRole('button', { name: 'Cancel the order' })
  expect(act).toBeDisabled()
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'wrong day')
  await userEvent.click(act)
  expect(await screen.findByText('it is asked')).toBeInTheDocument()
  expect(came).toEqual([{ reason: 'wrong day' }])
})

test('modifying sends only what has changed', async () => {
  const came = takes('/orders/MT1/modify', { client_order_id: 'MT1', sentence: 'other terms' })
  show(order())
  await userEvent.click(await screen.findByRole('button', { name: 'Modify' }))
  const dialog = await screen.findByRole('dialog')
  const price = within(dialog).getByLabelText('Limit price')
  await userEvent.clear(price)
  await userEvent.type(price, '151.5')
  await userEvent.type(within(dialog).getByLabelText(/Reason/), 'chase')
  await userEvent.click(within(dialog).getByRole('button', { name: 'Modify the order' }))
  expect(await screen.findByText('other terms')).toBeInTheDocument()
  expect(came).toEqual([{ limit_price: '151.5', reason: 'chase' }])
})
