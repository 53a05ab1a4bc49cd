import type { components } from '@/api/dashboard-creator'
import { exact } from './format'

type Schemas = components['schemas']

/** What a thing is called: its symbol, and for derivatives what tells it from its siblings. */
export function instrumentWords(instrument: Schemas['Instrument']): string {
  const { symbol, expiry, strike, right } = instrument
  return [symbol, expiry, strike && plain(strike), right].filter(Boolean).join(' ')
}

/** `BUY 10 AAPL`; a way out without a quantity means all of it. */
export function legWords(leg: Schemas['Leg']): string {
  const quantity = leg.quantity ? exact(plain(leg.quantity)) : 'all'
  const share = leg.quantity_unit === 'UNITS' ? '' : ` ${leg.quantity_unit.toLowerCase()}`
  return `${leg.side ?? 'CLOSE'} ${quantity}${share} ${instrumentWords(leg.instrument)}`
}

/** Without the zeros behind the last digit that say nothing: `10.00` is `10`. */
export function plain(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}
