import { KINDS, type LiveEvent, type LiveState, pause } from './live'

const URL = '/api/dashboard_creator/v1/stream'
/** A tab that nobody sees lets go of its line: browsers have six for a whole site. */
const HIDDEN_MILLISECONDS = 20_000
/** The server pings every 3 s: two were missed, and a second and more for the way. */
const SILENT_MILLISECONDS = 8_000

export interface LiveNow {
  state: LiveState
  /** When the server was last heard, on our clock. */
  heardAt: number | null
}

interface Listener {
  event: (event: LiveEvent) => void
  /** Events may have been missed: everything may be old. */
  reset: () => void
  change: (now: LiveNow) => void
}

/**
 * The stream of changes. A line that is open says nothing of whether anybody speaks on the other
 * end: it is live when it was heard, and dead when it is silent for too long. Where the line breaks the browser connects again by itself and says which
 * event it saw last; where the answer is no stream, as while the service restarts, we do, and then
 * take everything for old.
 */
export class LiveStream {
  private source: EventSource | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private hiding: ReturnType<typeof setTimeout> | null = null
  private silence: ReturnType<typeof setTimeout> | null = null
  private tries = 0
  private now: LiveNow = { state: 'connecting', heardAt: null }

  constructor(private readonly listener: Listener) {}

  start(): void {
    document.addEventListener('visibilitychange', this.onVisibility)
    this.open()
  }

  stop(): void {
    document.removeEventListener('visibilitychange', this.onVisibility)
    if (this.hiding !== null) clearTimeout(this.hiding)
    this.close()
  }

  private open(): void {
    const source = new EventSource(URL)
    this.source = source
    this.listen()
    let isFirst = true
    source.onopen = () => {
      if (isFirst && this.now.heardAt !== null) this.listener.reset()
      isFirst = false
      this.listen()
    }
    source.onerror = () => {
      this.set({ ...this.now, state: 'cut' })
      if (source.readyState === EventSource.CLOSED) this.again()
      else this.listen()
    }
    source.addEventListener('ping', () => this.heard())
    for (const kind of KINDS)
      source.addEventListener(kind, (message) => {
        this.heard()
        const found = eventOf(message.data)
        if (found) this.listener.event(found)
      })
    source.addEventListener('reset', () => {
      this.heard()
      this.listener.reset()
    })
  }

  private close(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    if (this.silence !== null) clearTimeout(this.silence)
    this.silence = null
    this.source?.close()
    this.source = null
  }

  private again(): void {
    this.close()
    this.timer = setTimeout(() => this.open(), pause(this.tries, Math.random()))
    this.tries += 1
  }

  private readonly onVisibility = () => {
    if (this.hiding !== null) clearTimeout(this.hiding)
    this.hiding = null
    if (document.visibilityState === 'hidden')
      this.hiding = setTimeout(() => this.close(), HIDDEN_MILLISECONDS)
    else if (this.source === null && this.timer === null) this.open()
  }

  private heard(): void {
    this.tries = 0
    this.listen()
    this.set({ state: 'connected', heardAt: Date.now() })
  }

  /** From now on it may be silent for so long. */
  private listen(): void {
    if (this.silence !== null) clearTimeout(this.silence)
    this.silence = setTimeout(() => {
      this.set({ ...this.now, state: 'cut' })
      this.again()
    }, SILENT_MILLISECONDS)
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
