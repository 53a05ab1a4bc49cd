import type { Sizing, StrategyUpdate, StrategyView } from './types'

/** What may be changed here; the mode has a page of its own. */
export const FIELDS = [
  'name',
  'description',
  'owner',
  'developer_contact',
  'asset_class',
  'instruments',
  'notes',
  'status',
  'accounts',
  'instrument_types',
  'sizing',
  'equity_base',
  'split',
  'priority',
  'min_size_ratio',
  'max_signal_age_seconds',
  'group_policy',
  'square_off',
  'approval',
  'include_in_optimization',
] as const

export type Field = (typeof FIELDS)[number]
export type Draft = Partial<Pick<StrategyUpdate, Field>>

export const FIELD_NAMES: Record<Field, string> = {
  name: 'Name',
  description: 'Description',
  owner: 'Owner',
  developer_contact: "Developer's contact",
  asset_class: 'Asset class',
  instruments: 'Instruments',
  notes: 'Notes',
  status: 'Status',
  accounts: 'Accounts',
  instrument_types: 'Instrument types',
  sizing: 'Sizing',
  equity_base: 'Sized on equity of',
  split: 'Split between accounts',
  priority: 'Priority',
  min_size_ratio: 'Least part that is still traded',
  max_signal_age_seconds: 'Signals expire after',
  group_policy: 'Legs that do not fill',
  square_off: 'Closed every day',
  approval: 'Entries wait for a person',
  include_in_optimization: 'Part of studies',
}

/** What is otherwise than it was; only that is sent. */
export function changesOf(base: StrategyView, draft: Draft): Draft {
  const changed = FIELDS.filter(
    (field) => field in draft && !same(draft[field], base[field] as unknown),
  )
  return Object.fromEntries(changed.map((field) => [field, draft[field]])) as Draft
}

export interface Collision {
  field: Field
  was: unknown
  theirs: unknown
  mine: unknown
}

/** What somebody else has changed since `base`, beside what is wanted here. */
export function collisionsOf(base: StrategyView, now: StrategyView, draft: Draft): Collision[] {
  return FIELDS.filter((field) => !same(base[field], now[field])).map((field) => ({
    field,
    was: base[field],
    theirs: now[field],
    mine: field in draft ? draft[field] : undefined,
  }))
}

/** A value of a field as a person reads it. */
export function told(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.map(told).join(', ') || 'none'
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, part]) => `${name.replaceAll('_', ' ')} ${told(part)}`)
      .join(' ')
  }
  return String(value)
}

/** Keys in any order, numbers and their text alike. */
function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .sort(([one], [other]) => (one < other ? -1 : 1))
    return `{${parts.map(([name, part]) => `${name}:${canonical(part)}`).join(',')}}`
  }
  return String(value ?? null)
}

/** A policy of sizing with figures that are usual, for whoever has just chosen it. */
export const SIZINGS: Record<Sizing['policy'], { title: string; start: Sizing }> = {
  RATIO: { title: 'As the sender scales: allocated / its equity', start: { policy: 'RATIO' } },
  PERCENT_OF_ALLOCATED: {
    title: 'Percent of what is allocated',
    start: { policy: 'PERCENT_OF_ALLOCATED', ratio: '0.1' },
  },
  FIXED: { title: 'A fixed quantity', start: { policy: 'FIXED', quantity: '1' } },
  RISK_PER_TRADE: {
    title: 'Risk up to the stop',
    start: { policy: 'RISK_PER_TRADE', ratio: '0.01' },
  },
  VOLATILITY_TARGET: {
    title: 'Volatility target',
    start: { policy: 'VOLATILITY_TARGET', target_ratio: '0.1', max_multiple: '1' },
  },
  FRACTION: { title: 'The fraction that the signal names', start: { policy: 'FRACTION' } },
}
