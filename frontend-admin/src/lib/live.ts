/** What the stream of the system tells, and which lists and figures of ours that makes old. */

export interface LiveEvent {
  kind: string
  id?: string | null
  strategy_id?: string | null
  account_id?: string | null
  status?: string | null
  at?: string | null
}

export type LiveState = 'connecting' | 'connected' | 'cut'

const OVERALL = ['/api/v1/overview', '/api/v1/frame']
const OWN = ['/api/v1/signal-senders', '/api/v1/dashboards', '/api/v1/investor']

/** Kind of an event → paths whose answers may be others now; a path stands for all below it. */
const TOUCHES: Record<string, string[]> = {
  signal: ['/api/v1/signals', '/api/v1/approvals', '/api/v1/decisions', '/api/v1/latency', ...OWN],
  order: ['/api/v1/orders', '/api/v1/signals', '/api/v1/positions', ...OWN],
  fill: ['/api/v1/fills', '/api/v1/orders', '/api/v1/signals', '/api/v1/positions', ...OWN],
  position: ['/api/v1/positions', ...OWN],
  incident: ['/api/v1/incidents', '/api/v1/system'],
  control: ['/api/v1/controls', '/api/v1/kill', '/api/v1/limits', '/api/v1/strategies'],
  account: ['/api/v1/accounts', '/api/v1/account', '/api/v1/fund', '/api/v1/hierarchy'],
  approval: ['/api/v1/approvals', '/api/v1/signals'],
  kill: ['/api/v1/kill', '/api/v1/controls', '/api/v1/orders', '/api/v1/positions'],
  study: ['/api/v1/portfolio-tests', '/api/v1/allocations'],
  notification: ['/api/v1/me/notifications'],
}

/** What the server names its events by. */
export const KINDS = Object.keys(TOUCHES)

/** Paths that an event makes old; of a kind that is not known, what every page shows. */
export function touched(event: LiveEvent): string[] {
  if (event.kind === 'notification') return TOUCHES[event.kind] ?? []
  return [...(TOUCHES[event.kind] ?? []), ...OVERALL]
}

/** Whether a query asks below one of these paths. */
export function isBelow(queryKey: readonly unknown[], paths: Iterable<string>): boolean {
  const known = [...paths]
  return queryKey.some(
    (part) =>
      typeof part === 'string' &&
      known.some((path) => part === path || part.startsWith(`${path}/`) || part === `${path}.csv`),
  )
}

/** Milliseconds until the next try: at once, then slower, never all visitors at the same moment. */
export function pause(tries: number, random: number): number {
  return Math.min(15_000, 500 * 2 ** Math.min(tries, 5)) * (0.5 + random / 2)
}

/**
 * Gathers paths and hands them on together: at once when it was quiet, else at most once in
 * `everyMilliseconds`, so that a burst of a thousand fills asks for each list a few times only.
 */
export class Gatherer {
  private waiting = new Set<string>()
  private timer: ReturnType<typeof setTimeout> | null = null
  private last = Number.NEGATIVE_INFINITY

  constructor(
    private readonly act: (paths: string[]) => void,
    private readonly everyMilliseconds = 400,
  ) {}

  add(paths: string[]): void {
    for (const path of paths) this.waiting.add(path)
    if (this.timer !== null) return
    // A moment even when it was quiet: the events of one transaction come together.
    const wait = Math.max(30, this.last + this.everyMilliseconds - Date.now())
    this.timer = setTimeout(() => this.hand(), wait)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    this.waiting.clear()
  }

  private hand(): void {
    this.timer = null
    this.last = Date.now()
    const paths = [...this.waiting]
    this.waiting.clear()
    this.act(paths)
  }
}
