import { expect, test } from 'vitest'
import { amount, exact, percent, signed } from './format'

test('what is not known is a dash, never zero', () => {
  for (const value of [null, undefined, '', 'NaN']) expect(amount(value)).toBe('–')
  expect(amount('0')).toBe('0.00')
})

test('profit and loss always carry their sign', () => {
  expect(signed('12')).toBe('+12.00')
  expect(signed('-3.4')).toBe('−3.40')
  expect(signed('0')).toBe('0.00')
})

test('what rounds to nothing has no sign', () => {
  expect(amount('-0.001')).toBe('0.00')
  expect(signed('-0.001')).toBe('0.00')
  expect(amount('-12500')).toBe('−12,500.00')
})

test('booked quantities keep every digit', () => {
  expect(exact('1234567.12345678901234567890')).toBe('1,234,567.12345678901234567890')
  expect(exact('-10')).toBe('−10')
})

test('ratios are shown as percent', () => {
  expect(percent('0.0534')).toBe('5.34 %')
})
