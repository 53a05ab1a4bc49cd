import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Gatherer, isBelow, KINDS, pause, touched } from './live'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('an event makes its own lists and what every page shows old, and nothing else', () => {
  const paths = touched({ kind: 'order', id: 'O1' })
  expect(isBelow(['get', '/api/v1/orders', { limit: 50 }], paths)).toBe(true)
  expect(isBelow(['get', '/api/v1/orders/{order_id}', {}], paths)).toBe(true)
  expect(isBelow(['get', '/api/v1/frame', {}], paths)).toBe(true)
  expect(isBelow(['get', '/api/v1/orders-of-others', {}], paths)).toBe(false)
  expect(isBelow(['get', '/api/v1/me', {}], paths)).toBe(false)
})

test('a notification does not ask for the fund anew', () => {
  expect(touched({ kind: 'notification' })).toEqual(['/api/v1/me/notifications'])
})

test('every kind leads somewhere, and an unknown one to what every page shows', () => {
  for (const kind of KINDS) expect(touched({ kind }).length).toBeGreaterThan(0)
  expect(touched({ kind: 'news' })).toContain('/api/v1/frame')
})

test('a burst is handed on together, and a few times a second at most', () => {
  const handed: string[][] = []
  const gatherer = new Gatherer((paths) => handed.push(paths), 400)
  for (let number = 0; number < 1000; number += 1) {
    gatherer.add(['/api/v1/orders', `/api/v1/${number % 2}`])
    vi.advanceTimersByTime(1)
  }
  vi.advanceTimersByTime(1000)
  expect(handed.length).toBeLessThanOrEqual(4)
  expect(handed[0]).toContain('/api/v1/orders')
  expect(new Set(handed[1])).toEqual(new Set(['/api/v1/orders', '/api/v1/0', '/api/v1/1']))
})

test('the first event after a quiet time waits for a moment only', () => {
  const handed: string[][] = []
  const gatherer = new Gatherer((paths) => handed.push(paths), 400)
  gatherer.add(['/api/v1/orders'])
  vi.advanceTimersByTime(450)
  gatherer.add(['/api/v1/orders'])
  vi.advanceTimersByTime(60)
  expect(handed.length).toBe(2)
  gatherer.stop()
})

test('tries come slower and slower, and never at the same moment', () => {
  expect(pause(0, 0)).toBe(250)
  expect(pause(0, 1)).toBe(500)
  expect(pause(10, 1)).toBe(15_000)
  expect(pause(3, 0.2)).not.toBe(pause(3, 0.3))
})
