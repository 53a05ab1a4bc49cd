import { expect, test } from 'vitest'
import { joined } from './use-pages'

const page = (keys: string, next: string | null = null) => ({ rows: [...keys], next })
const same = (row: string) => row

test('new rows come on top and what was pushed out of the head stays', () => {
  expect(joined(page('yzab', 'b'), page('abcd', 'd'), same)).toEqual(page('yzabcd', 'd'))
})

test('a row that no longer matches the filter goes', () => {
  expect(joined(page('acd', 'd'), page('abcd', 'd'), same)).toEqual(page('acd', 'd'))
})

test('after a burst larger than a page the list starts anew', () => {
  expect(joined(page('wxyz', 'z'), page('abcd', 'd'), same)).toEqual(page('wxyz', 'z'))
})

test('a list that fits on one page is what the server says', () => {
  expect(joined(page('a'), page('abc', 'c'), same)).toEqual(page('a'))
})
