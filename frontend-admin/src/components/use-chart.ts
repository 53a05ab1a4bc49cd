import { useComputedColorScheme } from '@mantine/core'
import {
  type ChartOptions,
  ColorType,
  createChart,
  type DeepPartial,
  type IChartApi,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts'
import { type RefObject, useEffect, useRef, useState } from 'react'

const CLOCK = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
const TICK_DAY = new Intl.DateTimeFormat('en-GB', { day: '2-digit', month: 'short' })
const TICK_YEAR = new Intl.DateTimeFormat('en-GB', { year: 'numeric' })
const TICK_MONTH = new Intl.DateTimeFormat('en-GB', { month: 'short' })
const TICK_TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

export interface Palette {
  line: string
  quiet: string
  up: string
  down: string
}

/** A chart in its element, in the colors of the page, its times in the viewer's zone. */
export function useChart(): [RefObject<HTMLDivElement | null>, IChartApi | null, Palette] {
  const place = useRef<HTMLDivElement>(null)
  const [chart, setChart] = useState<IChartApi | null>(null)
  const dark = useComputedColorScheme('light') === 'dark'
  useEffect(() => {
    if (!place.current) return
    const made = createChart(place.current, { autoSize: true, ...FIXED })
    setChart(made)
    return () => made.remove()
  }, [])
  useEffect(() => chart?.applyOptions(looks(dark)), [chart, dark])
  return [place, chart, dark ? DARK : LIGHT]
}

/** Seconds, each once and in order, as the chart wants them. */
export function inOrder<Point extends { at: string }>(points: Point[]): [UTCTimestamp, Point][] {
  const found = new Map<number, Point>()
  for (const point of points) found.set(Math.floor(Date.parse(point.at) / 1000), point)
  return [...found].sort(([one], [other]) => one - other) as [UTCTimestamp, Point][]
}

export function clockOf(time: Time): string {
  return CLOCK.format(Number(time) * 1000)
}

const LIGHT: Palette = { line: '#2c6298', quiet: '#868e96', up: '#137a4b', down: '#b3261e' }
const DARK: Palette = { line: '#8ab0d5', quiet: '#a3a8ae', up: '#5fd39b', down: '#ff8f86' }

/** By what changes at a tick: a year, a month, a day; else the time. */
const TICKS = [TICK_YEAR, TICK_MONTH, TICK_DAY]

const FIXED: DeepPartial<ChartOptions> = {
  handleScroll: { vertTouchDrag: false },
  // The wheel scrolls the page, not the chart.
  handleScale: { mouseWheel: false },
  rightPriceScale: { borderVisible: false },
  localization: { timeFormatter: clockOf },
  timeScale: {
    borderVisible: false,
    timeVisible: true,
    tickMarkFormatter: (time: Time, kind: number) =>
      (TICKS[kind] ?? TICK_TIME).format(Number(time) * 1000),
  },
}

function looks(dark: boolean): DeepPartial<ChartOptions> {
  const faint = dark ? '#2e3338' : '#eceff2'
  return {
    layout: {
      background: { type: ColorType.Solid, color: 'transparent' },
      textColor: dark ? '#c1c6cc' : '#495057',
      fontFamily: 'Inter, system-ui, sans-serif',
      panes: { separatorColor: faint },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: faint } },
  }
}
