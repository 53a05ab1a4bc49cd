import type { components } from '@/api/dashboard-creator'
import { numberOf } from './format'

type Step = components['schemas']['StepView']

/** One bar of a waterfall, in units of the instrument. */
export interface Bar {
  name: string
  before: number
  after: number
  bound: boolean
  sentence: string
  /** At most so many, had this step not held it back. */
  otherwise: number | null
}

/** The bars of one leg in one account. */
export interface Cascade {
  account: string
  leg: number
  asked: number
  final: number
  bars: Bar[]
}

/**
 * The quantities of a decision, leg by leg, from asked to final. Caps are stored as factors of what
 * is wanted (0.4 of it may go); they become quantities here, so that all bars have one unit.
 */
export function cascades(steps: Step[]): Cascade[] {
  return legsOf(steps).map(({ account, leg }) => {
    const own = steps.filter((step) => (step.account_id ?? '') === account)
    const bars: Bar[] = []
    let wanted: number | null = null
    let lot = 0
    for (const step of own) {
      const before = numberOf(step.before)
      const after = numberOf(step.after)
      if (before === null || after === null) continue
      if (step.leg_index === leg) {
        if (step.name === 'lot') lot = numberOf(step.limit) ?? 0
        bars.push(bar(step, before, after))
        wanted = after
      } else if (wanted !== null && isFactor(step, before, after)) {
        const scale: number = scaledBy(bars, wanted)
        bars.push(bar(step, scale * before, scale * after))
      }
    }
    for (const each of bars.filter((one) => one.bound))
      each.otherwise = withoutStep(bars, each, lot)
    return {
      account,
      leg,
      asked: bars[0]?.before ?? 0,
      final: bars.at(-1)?.after ?? 0,
      bars,
    }
  })
}

/** Yes/no steps and notes: what has no bar. */
export function checks(steps: Step[]): Step[] {
  return steps.filter((step) => step.before == null || step.after == null)
}

function legsOf(steps: Step[]): { account: string; leg: number }[] {
  const found = new Map<string, { account: string; leg: number }>()
  for (const { account_id, leg_index, before, after } of steps) {
    if (leg_index == null || before == null || after == null) continue
    const account = account_id ?? ''
    found.set(`${account}|${leg_index}`, { account, leg: leg_index })
  }
  return [...found.values()]
}

function isFactor(step: Step, before: number, after: number): boolean {
  return step.leg_index == null && step.limit != null && before <= 1 && after <= before
}

/** Factors are of what was wanted before the first of them. */
function scaledBy(bars: Bar[], wanted: number): number {
  return bars.findLast((each) => each.name === 'scaled')?.after ?? wanted
}

function bar(step: Step, before: number, after: number): Bar {
  const { name, bound, sentence } = step
  return { name, before, after, bound, sentence, otherwise: null }
}

/** The other steps stay: what came in, or what the next one that bound let through. */
function withoutStep(bars: Bar[], without: Bar, lot: number): number {
  const at = bars.indexOf(without)
  const later = bars.slice(at + 1).filter((each) => each.bound)
  const left = Math.min(without.before, ...later.map((each) => each.after))
  return lot > 0 ? Math.floor(left / lot + 1e-9) * lot : left
}
