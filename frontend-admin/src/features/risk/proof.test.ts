import { expect, test } from 'vitest'
import { type AccountKill, headline, type KillRun, proofOf, totalOf } from './proof'

const ACCOUNT: AccountKill = {
  account_id: 'Mock-1',
  state: 'RUNNING',
  looks: 1,
  asked: ['a', 'b', 'c'],
  orders: [],
  closings: [],
  late_exits: 0,
  orders_left: null,
  positions_left: null,
  trouble: '',
  remaining: [],
  notes: [],
}
const RUN: KillRun = {
  run_id: 'k1',
  scope: 'GLOBAL',
  scope_id: '',
  stage: 'FLATTEN',
  by: 'olga',
  reason: 'a drill',
  requested_at: '2026-11-22T10:00:00Z',
  due_at: '2026-11-22T10:00:30Z',
  state: 'DONE',
  why: '',
  accounts: [ACCOUNT],
  seconds: 4.2,
}
const NOW = Date.parse('2026-11-22T10:00:10Z')

test('what the broker has not said is never taken for 0', () => {
  const proof = proofOf(ACCOUNT)
  expect(proof).toEqual({ orders: { from: 3, to: null }, positions: { from: null, to: null } })
  expect(headline({ ...RUN, state: 'RUNNING' }, totalOf([proof]), NOW)).toBe(
    'orders 3 → ?, positions ? → ?, running for 10 s',
  )
})

test('where it came from is the most that was seen', () => {
  const first = proofOf({ ...ACCOUNT, orders_left: 3, positions_left: 5 })
  const last = proofOf({ ...ACCOUNT, orders_left: 0, positions_left: 0, state: 'DONE' }, first)
  expect(headline(RUN, totalOf([last]), NOW)).toBe('orders 3 → 0, positions 5 → 0, done in 4.2 s')
})

test('one silent account leaves the sum unknown', () => {
  const done = proofOf({ ...ACCOUNT, orders_left: 0, positions_left: 0 })
  expect(totalOf([done, proofOf(ACCOUNT)]).orders.to).toBeNull()
})

test('a reduction counts no orders', () => {
  expect(headline({ ...RUN, stage: 'REDUCE' }, totalOf([]), NOW)).toBe('done in 4.2 s')
})
