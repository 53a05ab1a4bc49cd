import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type LiveNow, LiveStream } from './live-stream'

class FakeSource extends EventTarget {
  static made: FakeSource[] = []
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  readyState = 0
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null

  constructor(readonly url: string) {
    super()
    FakeSource.made.push(this)
  }
  close() {
    this.readyState = FakeSource.CLOSED
  }
  opens() {
    this.readyState = FakeSource.OPEN
    this.onopen?.()
    this.pings()
  }
  /** As a server in its hang, or a proxy before it: the line is open, and nobody speaks. */
  opensSilent() {
    this.readyState = FakeSource.OPEN
    this.onopen?.()
  }
  pings() {
    this.tells('ping', '{}')
  }
  fails(state: number) {
    this.readyState = state
    this.onerror?.()
  }
  tells(kind: string, data: string) {
    this.dispatchEvent(new MessageEvent(kind, { data }))
  }
}

const heard: { events: unknown[]; resets: number; states: LiveNow['state'][] } = {
  events: [],
  resets: 0,
  states: [],
}
let stream: LiveStream

function latest(): FakeSource {
  const source = FakeSource.made.at(-1)
  if (!source) throw new Error('no stream was opened')
  return source
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', FakeSource)
  FakeSource.made = []
  Object.assign(heard, { events: [], resets: 0, states: [] })
  stream = new LiveStream({
    event: (event) => heard.events.push(event),
    reset: () => {
      heard.resets += 1
    },
    change: ({ state }) => heard.states.push(state),
  })
  stream.start()
})
afterEach(() => {
  stream.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test('events are told, and what is none is not', () => {
  latest().opens()
  latest().tells('order', '{"kind": "order", "id": "O1"}')
  latest().tells('order', 'not json')
  latest().tells('weather', '{"kind": "weather"}')
  expect(heard.events).toEqual([{ kind: 'order', id: 'O1' }])
  expect(heard.states.at(-1)).toBe('connected')
})

test('where the line breaks the browser resumes by itself, and nothing is taken for old', () => {
  latest().opens()
  latest().fails(FakeSource.CONNECTING)
  expect(heard.states.at(-1)).toBe('cut')
  latest().opens()
  expect(FakeSource.made.length).toBe(1)
  expect(heard.resets).toBe(0)
  expect(heard.states.at(-1)).toBe('connected')
})

test('where the service is down we try again, slower and slower, and then take all for old', () => {
  latest().opens()
  latest().fails(FakeSource.CLOSED)
  vi.advanceTimersByTime(600)
  expect(FakeSource.made.length).toBe(2)
  latest().fails(FakeSource.CLOSED)
  vi.advanceTimersByTime(400)
  expect(FakeSource.made.length).toBe(2)
  vi.advanceTimersByTime(700)
  expect(FakeSource.made.length).toBe(3)
  latest().opens()
  expect(heard.resets).toBe(1)
})

test('a line that is silent for two pings is dead, and another one is opened', () => {
  latest().opens()
  for (let pings = 0; pings < 5; pings += 1) {
    vi.advanceTimersByTime(3_000)
    latest().pings()
  }
  expect(FakeSource.made.length).toBe(1)
  vi.advanceTimersByTime(7_000)
  expect(heard.states.at(-1)).toBe('connected')
  vi.advanceTimersByTime(1_000)
  expect(heard.states.at(-1)).toBe('cut')
  const dead = latest()
  vi.advanceTimersByTime(500)
  expect(dead.readyState).toBe(FakeSource.CLOSED)
  expect(FakeSource.made.length).toBe(2)
  latest().opens()
  expect(heard.states.at(-1)).toBe('connected')
  expect(heard.resets).toBe(1)
})

test('a line that opens and says nothing is never called live', () => {
  latest().opensSilent()
  expect(heard.states).toEqual([])
  vi.advanceTimersByTime(9_000)
  expect(heard.states).toEqual(['cut'])
  latest().opensSilent()
  vi.advanceTimersByTime(20_000)
  expect(new Set(heard.states)).toEqual(new Set(['cut']))
})

test('a browser that connects again by itself is left to it, unless that hangs', () => {
  latest().opens()
  latest().fails(FakeSource.CONNECTING)
  vi.advanceTimersByTime(6_000)
  latest().fails(FakeSource.CONNECTING)
  vi.advanceTimersByTime(6_000)
  expect(FakeSource.made.length).toBe(1)
  vi.advanceTimersByTime(3_000)
  expect(FakeSource.made.length).toBe(2)
})

test('the server says that events were missed', () => {
  latest().opens()
  latest().tells('reset', '{}')
  expect(heard.resets).toBe(1)
})

test('a tab that nobody sees lets go of its line, and has it again when it is looked at', () => {
  latest().opens()
  const state = vi.spyOn(document, 'visibilityState', 'get')
  state.mockReturnValue('hidden')
  document.dispatchEvent(new Event('visibilitychange'))
  vi.advanceTimersByTime(7_000)
  latest().pings()
  vi.advanceTimersByTime(7_000)
  latest().pings()
  expect(latest().readyState).toBe(FakeSource.OPEN)
  vi.advanceTimersByTime(7_000)
  expect(latest().readyState).toBe(FakeSource.CLOSED)
  state.mockReturnValue('visible')
  document.dispatchEvent(new Event('visibilitychange'))
  expect(FakeSource.made.length).toBe(2)
  latest().opens()
  expect(heard.resets).toBe(1)
})
