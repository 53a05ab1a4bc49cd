import type { components } from '@/api/portfolio-builder'

type Schemas = components['schemas']
export type Allocation = Schemas['AllocationView']
export type Compared = Schemas['Compared']
export type Proposal = Schemas['Proposal']
export type Study = Schemas['StudyView']
export type StudyResult = Schemas['StudyResult']
export type StudyFigures = Schemas['services__portfolio_builder__study_result__Figures']
export type MixFigures = Schemas['services__portfolio_builder__comparison__Figures']

/** Ratios by strategy, as they are sent. */
export type Ratios = Record<string, string>

export function ratiosOf(rows: { strategy_id: string; ratio: string }[]): Ratios {
  return Object.fromEntries(rows.map((row) => [row.strategy_id, row.ratio]))
}

/** Exact sum of decimals, in units of 10⁻¹². */
export function sumOf(ratios: Iterable<string>): string {
  let total = 0n
  for (const ratio of ratios) {
    const [whole = '0', behind = ''] = ratio.split('.')
    total += BigInt(whole || '0') * 10n ** 12n + BigInt(behind.padEnd(12, '0').slice(0, 12) || '0')
  }
  const text = total.toString().padStart(13, '0')
  const behind = text.slice(-12).replace(/0+$/, '')
  return behind ? `${text.slice(0, -12)}.${behind}` : text.slice(0, -12)
}

/** A color of its own for each strategy, the same on every chart of a page. */
const HUES = ['ink.6', 'teal.7', 'orange.7', 'grape.6', 'cyan.7', 'lime.8', 'pink.6', 'indigo.5']
export function colorOf(place: number): string {
  return HUES[place % HUES.length] ?? 'ink.6'
}
export function cssColorOf(place: number): string {
  return `var(--mantine-color-${colorOf(place).replace('.', '-')})`
}
