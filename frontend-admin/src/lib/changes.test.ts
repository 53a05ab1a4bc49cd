import { expect, test } from 'vitest'
import { changesInWords, changesOf } from './changes'

test('only what has changed is named, with its way down', () => {
  expect(changesOf({ limits: { a: '1', b: 2 } }, { limits: { a: '3', b: 2 } })).toEqual([
    { field: 'limits.a', before: '1', after: '3' },
  ])
})

test('of what was not there before only what it is', () => {
  expect(changesInWords(null, { state: 'HALTED', notes: '', parts: [] })).toBe('state HALTED')
  expect(changesInWords({ reason: null }, { reason: 'test' })).toBe('reason – → test')
  expect(changesInWords('ACTIVE', 'HALTED')).toBe('ACTIVE → HALTED')
})
