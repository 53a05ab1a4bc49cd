import type { components } from '@/api/portfolio-builder'

type Schemas = components['schemas']
export type StrategyView = Schemas['StrategyView']
export type StrategyUpdate = Schemas['StrategyUpdate']
export type Sizing = StrategyUpdate['sizing']
export type Verdict = Schemas['Verdict']
export type Upload = Schemas['Upload']
export type Question = Schemas['Question']
export type Answers = Schemas['Answers']
export type Summary = Schemas['Summary']
export type RecordFigures = Schemas['services__portfolio_builder__records__figures__Figures']

/** Of a ratio as a share of days or money: what the eye reads beside a word. */
export const SOURCES: Record<string, string> = {
  live: 'Live, our fills',
  developer_live: "Developer's live record",
  backtest: "Developer's backtest",
}
