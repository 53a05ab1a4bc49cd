import { HttpResponse, http } from 'msw'
import type { components } from '@/api/dashboard-creator'
import { server } from './server'

type Schemas = components['schemas']

const DASHBOARDS = '/api/dashboard_creator/v1'

/** Let the server answer a GET of the dashboards; returns the queries that it was asked with. */
export function answers(path: string, body: unknown): URLSearchParams[] {
  const asked: URLSearchParams[] = []
  server.use(
    http.get(`${DASHBOARDS}${path}`, ({ request }) => {
      asked.push(new URL(request.url).searchParams)
      const found: unknown = typeof body === 'function' ? body(asked.at(-1)) : body
      return HttpResponse.json(found as object)
    }),
  )
  return asked
}

/** Let the server take a POST; returns the bodies that came. */
export function takes(path: string, body: object, service = 'dashboard_creator'): unknown[] {
  const came: unknown[] = []
  server.use(
    http.post(`/api/${service}/v1${path}`, async ({ request }) => {
      came.push(await request.json())
      return HttpResponse.json(body)
    }),
  )
  return came
}

/** Strategies to choose from in filters. */
export function strategies(): void {
  server.use(
    http.get('/api/portfolio_builder/v1/strategies', () =>
      HttpResponse.json({ strategies: [{ strategy_id: 'SPX' }], unreadable: [] }),
    ),
  )
}

export const AAPL: Schemas['Instrument'] = {
  instrument_type: 'STOCK',
  symbol: 'AAPL',
  currency: 'USD',
  multiplier: '1',
}

export function order(fields: Partial<Schemas['OrderLine']> = {}): Schemas['OrderLine'] {
  return {
    client_order_id: 'MT1',
    broker_order_id: 'B1',
    signal_id: 'sig_1',
    strategy_id: 'SPX',
    account_id: 'Mock-1',
    status: 'SUBMITTED',
    working: true,
    intent: 'ENTRY',
    instrument: AAPL,
    side: 'BUY',
    quantity: '17',
    order_type: 'LIMIT',
    time_in_force: 'DAY',
    limit_price: '150',
    role: 'LEG',
    filled_quantity: '5',
    leaves_quantity: '12',
    avg_fill_price: '149.98',
    text: '',
    doing: '',
    created_at: '2026-11-22T10:00:00Z',
    updated_at: '2026-11-22T10:00:01Z',
    ...fields,
  }
}

/** Steps as Cerebro stores them: 10 asked, capital would let 4 through, the position limit 2. */
export const STEPS: Schemas['StepView'][] = [
  step({ name: 'trading_state', sentence: 'trading is ACTIVE' }),
  step({ name: 'scaled', leg_index: 0, before: '10', after: '20', sentence: '10 AAPL × 2' }),
  step({ name: 'capital', before: '1', after: '0.2', limit: '400', bound: true }),
  step({ name: 'position_size', before: '0.2', after: '0.125', limit: '250', bound: true }),
  step({ name: 'lot', leg_index: 0, before: '2.5', after: '2', limit: '1' }),
]

function step(fields: Partial<Schemas['StepView']> & { name: string }): Schemas['StepView'] {
  return {
    account_id: fields.name === 'trading_state' ? null : 'Mock-1',
    bound: false,
    rule: '',
    sentence: '',
    ...fields,
  }
}
