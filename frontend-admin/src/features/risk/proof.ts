import type { components } from '@/api/signal-gateway'

export type KillRun = components['schemas']['KillView']
export type AccountKill = components['schemas']['AccountKill']

/** From how many, to how many; null = the broker has not said. */
export interface Count {
  from: number | null
  to: number | null
}

export interface Proof {
  orders: Count
  positions: Count
}

/** A run that a desk may still work on. */
export function isOpen(run: Pick<KillRun, 'state'>): boolean {
  return run.state === 'RUNNING' || run.state === 'INCOMPLETE'
}

/**
 * What one account had, and what the broker says is left. What was there at first is the most that
 * was ever seen: what the run wanted canceled, what it closed, and what the broker said meanwhile.
 */
export function proofOf(account: AccountKill, seen?: Proof): Proof {
  const closed = new Set(account.closings.map((each) => `${each.strategy_id}|${each.symbol}`)).size
  const orders = account.orders_left ?? null
  const positions = account.positions_left ?? null
  return {
    orders: {
      from: most(account.asked.length || null, orders, seen?.orders.from),
      to: orders,
    },
    positions: { from: most(closed || null, positions, seen?.positions.from), to: positions },
  }
}

export function totalOf(proofs: Proof[]): Proof {
  const sum = (pick: (proof: Proof) => number | null) =>
    proofs.length === 0 || proofs.some((proof) => pick(proof) === null)
      ? null
      : proofs.reduce((total, proof) => total + (pick(proof) ?? 0), 0)
  return {
    orders: { from: sum((each) => each.orders.from), to: sum((each) => each.orders.to) },
    positions: { from: sum((each) => each.positions.from), to: sum((each) => each.positions.to) },
  }
}

/** `orders 3 → 0`; what is not known is a question mark, never 0. */
export function countWords(name: string, { from, to }: Count): string {
  return `${name} ${from ?? '?'} → ${to ?? '?'}`
}

/** The headline of a run: `orders 3 → 0, positions 5 → 0, done in 4.2 s`. */
export function headline(run: KillRun, total: Proof, now: number): string {
  const parts = [
    run.stage !== 'REDUCE' && countWords('orders', total.orders),
    run.stage === 'FLATTEN' && countWords('positions', total.positions),
    endWords(run, now),
  ]
  return parts.filter(Boolean).join(', ')
}

function endWords(run: KillRun, now: number): string {
  const took = ((now - Date.parse(run.requested_at)) / 1000).toFixed(0)
  if (run.state === 'DONE') return `done in ${(run.seconds ?? 0).toFixed(1)} s`
  if (run.state === 'RUNNING') return `running for ${took} s`
  if (run.state === 'INCOMPLETE') return `not proven after ${took} s, still worked on`
  return `${run.state.toLowerCase()}: ${run.why}`
}

function most(...counts: (number | null | undefined)[]): number | null {
  const known = counts.filter((each): each is number => each !== null && each !== undefined)
  return known.length === 0 ? null : Math.max(...known)
}
