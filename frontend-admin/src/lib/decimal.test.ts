import { expect, test } from 'vitest'
import { isDecimal, percentOf, ratioOf } from './decimal'

test.each([
  ['12.5', '0.125'],
  ['5', '0.05'],
  ['100', '1'],
  ['0', '0'],
  ['0.1', '0.001'],
  ['-3,25', '-0.0325'],
  ['12.345678901234567890', '0.1234567890123456789'],
])('%s %% is the ratio %s, without a rounding', (percent, ratio) => {
  expect(ratioOf(percent)).toBe(ratio)
  expect(Number(percentOf(ratio))).toBe(Number(percent.replace(',', '.')))
})

test('a ratio comes back as it was typed', () => {
  expect(percentOf('0.125')).toBe('12.5')
  expect(percentOf('1')).toBe('100')
  expect(percentOf('1E-7')).toBe('0.00001')
  expect(percentOf(null)).toBe('')
})

test('what is no number is not sent', () => {
  expect(ratioOf('')).toBeNull()
  expect(ratioOf('1e5')).toBeNull()
  expect(ratioOf('1.2.3')).toBeNull()
  expect(isDecimal(' 10.5 ')).toBe(true)
  expect(isDecimal('ten')).toBe(false)
})
