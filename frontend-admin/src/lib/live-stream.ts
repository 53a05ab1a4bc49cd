import { type LiveEvent, type LiveState, pause } from './live'

const URL = '/api/dashboard_creator/v1/stream'
/** The server says something at least this often; after silence the line is taken for dead. */
const SILENCE_MILLISECONDS = 45_000

export interface LiveNow {
  state: LiveState
  /** When the server was last heard, on our clock. */
  heardAt: number | null
}

interface Listener {
  event: (event: LiveEvent) => void
  /** Events were missed: everything may be old. */
  reset: () => void
  change: (now: LiveNow) => void
}

/** The stream, opened again and again from the last event that was heard. */
export class LiveStream {
  private source: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private watch: ReturnType<typeof setInterval> | null = null
  private tries = 0
  private lastId = ''
  private now: LiveNow = { state: 'connecting', heardAt: null }

  constructor(private readonly listener: Listener) {}

  start(): void {
    this.open()
    this.watch = setInterval(() => {
      const { state, heardAt } = this.now
      if (state === 'connected' && heardAt && Date.now() - heardAt > SILENCE_MILLISECONDS)
        this.again()
    }, 5_000)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    if (this.watch !== null) clearInterval(this.watch)
    this.source?.close()
    this.source = null
  }

  private open(): void {
    const since = this.lastId ? `?last_event_id=${encodeURIComponent(this.lastId)}` : ''
    const source = new EventSource(`${URL}${since}`)
    this.source = source
    source.onopen = () => {
      // What happened between a page's own answers and now may have been missed.
      if (!this.lastId || this.tries > 0) this.listener.reset()
      this.tries = 0
      this.heard('connected')
    }
    source.onerror = () => this.again()
    source.onmessage = (message) => this.take(message)
    source.addEventListener('reset', () => {
      this.heard('connected')
      this.listener.reset()
    })
    for (const name of ['ping', 'heartbeat', 'hello'])
      source.addEventListener(name, () => this.heard('connected'))
    source.addEventListener('change', (message) => this.take(message))
  }

  private take(message: MessageEvent): void {
    if (message.lastEventId) this.lastId = message.lastEventId
    this.heard('connected')
    const found = eventOf(message.data)
    if (found) this.listener.event(found)
  }

  /** The browser would try again by itself, but not after an answer that is no stream. */
  private again(): void {
    this.source?.close()
    this.source = null
    this.set({ ...this.now, state: 'cut' })
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = setTimeout(() => this.open(), pause(this.tries, Math.random()))
    this.tries += 1
  }

  private heard(state: LiveState): void {
    this.set({ state, heardAt: Date.now() })
  }

  private set(now: LiveNow): void {
    this.now = now
    this.listener.change(now)
  }
}

function eventOf(text: unknown): LiveEvent | null {
  if (typeof text !== 'string') return null
  try {
    const found: unknown = JSON.parse(text)
    if (typeof found === 'object' && found !== null && 'kind' in found) return found as LiveEvent
  } catch {
    // a line that is no event of ours
  }
  return null
}
