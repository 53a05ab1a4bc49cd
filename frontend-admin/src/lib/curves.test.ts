import { expect, test } from 'vitest'
import { drawdownOf, growthOf, lowest } from './curves'

const returns = [0.1, -0.5, 0.2].map((value, day) => ({ at: `2026-11-0${day + 1}`, value }))

test('growth multiplies returns', () => {
  // 1.1, then half of it, then a fifth more
  expect(growthOf(returns).map((point) => point.value)).toEqual([
    expect.closeTo(1.1),
    expect.closeTo(0.55),
    expect.closeTo(0.66),
  ])
})

test('drawdown is measured from the highest level so far', () => {
  const drawdown = drawdownOf(growthOf(returns), 1)
  expect(drawdown.map((point) => point.value)).toEqual([
    0,
    expect.closeTo(-0.5),
    expect.closeTo(-0.4),
  ])
  expect(lowest(drawdown)).toBeCloseTo(-0.5)
  expect(lowest([])).toBeNull()
})

test('a first day that lost is a drawdown from where it started', () => {
  expect(drawdownOf([{ at: '2026-11-01', value: 0.9 }], 1)[0]?.value).toBeCloseTo(-0.1)
})
