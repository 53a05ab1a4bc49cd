import { expect, test } from 'vitest'
import { STEPS } from '@/testing/answers'
import { cascades, checks } from './cascade'

const [leg] = cascades(STEPS)

test('factors become quantities, so that all bars have one unit', () => {
  // 20 wanted × 0.2 = 4, × 0.125 = 2.5, whole lots: 2
  expect(leg?.bars.map((bar) => bar.after)).toEqual([20, 4, 2.5, 2])
  expect([leg?.asked, leg?.final]).toEqual([10, 2])
})

test('without a step the others still bind, and lots stay whole', () => {
  // Without the cap on capital the position limit still lets 2.5 through; without the latter, 4.
  expect(leg?.bars.map((bar) => bar.otherwise)).toEqual([null, 2, 4, null])
})

test('a step without numbers is a check and no bar', () => {
  expect(checks(STEPS).map((step) => step.name)).toEqual(['trading_state'])
})
