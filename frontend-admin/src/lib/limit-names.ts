import type { components } from '@/api/portfolio-builder'
import { amount, duration, exact, percent } from './format'

type LimitSet = components['schemas']['LimitSet-Output']
type Kind = 'ratio' | 'count' | 'money' | 'quantity' | 'seconds' | 'multiple'

export interface LimitName {
  name: keyof LimitSet
  title: string
  kind: Kind
  what: string
}

/** Every limit as people call it, with its unit; the order is that of the table and the editor. */
export const LIMITS: LimitName[] = [
  limit('max_position_ratio', 'One instrument', 'ratio', 'capital tied up in one instrument'),
  limit('max_broker_allocation_ratio', 'All capital', 'ratio', 'tied up by all strategies'),
  limit('max_gross_exposure_ratio', 'Gross exposure', 'ratio', 'sum of absolute notionals'),
  limit('max_net_exposure_ratio', 'Net exposure', 'ratio', 'absolute sum of signed notionals'),
  limit('max_margin_ratio', 'Margin', 'ratio', 'initial margin in use and reserved'),
  limit('max_daily_loss_ratio', 'Daily loss', 'ratio', 'stops entries until the next day'),
  limit('max_drawdown_ratio', 'Drawdown', 'ratio', 'stops entries until a person resets it'),
  limit('price_collar_ratio', 'Price collar', 'ratio', 'from the last price of the broker'),
  limit('max_order_notional', 'Order, money', 'money', 'of one order, account currency'),
  limit('max_order_quantity', 'Order, quantity', 'quantity', 'of one order, units'),
  limit('max_orders_per_minute', 'Orders a minute', 'count', 'that left in the last 60 seconds'),
  limit('max_open_positions', 'Open positions', 'count', 'instruments held or being entered'),
  limit('max_pyramiding', 'Entries on top', 'count', 'into what is held on the same side'),
  limit('max_consecutive_losses', 'Losses in a row', 'count', 'closing trades; of a strategy'),
  limit('max_entries', 'Entries', 'count', 'within the window; more stop it'),
  limit('entries_window_seconds', 'Window of entries', 'seconds', 'that entries are counted in'),
  limit('duplicate_window_seconds', 'Like entries', 'seconds', 'refused within'),
  limit('target_volatility_ratio', 'Volatility target', 'ratio', 'a year; entries shrink to it'),
  limit('max_volatility_multiple', 'Grow at most', 'multiple', 'by the volatility target'),
  limit('drawdown_governor_start_ratio', 'Governor from', 'ratio', 'entries shrink from here'),
  limit('drawdown_governor_end_ratio', 'Governor to', 'ratio', 'where the least is left'),
  limit('drawdown_governor_floor_ratio', 'Governor leaves', 'ratio', 'of the size'),
  limit('contention_window_seconds', 'Contention window', 'seconds', 'entries wait for others'),
]

function limit(name: keyof LimitSet, title: string, kind: Kind, what: string): LimitName {
  return { name, title, kind, what }
}

export function limitTitle(name: string): string {
  return LIMITS.find((each) => each.name === name)?.title ?? name.replaceAll('_', ' ')
}

/** A value with its unit. */
export function limitText({ kind }: Pick<LimitName, 'kind'>, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  const text = String(value)
  if (kind === 'ratio') return percent(text)
  if (kind === 'money') return amount(text)
  if (kind === 'seconds') return duration(Number(text) * 1000)
  if (kind === 'multiple') return `${exact(text)} ×`
  return exact(text)
}
