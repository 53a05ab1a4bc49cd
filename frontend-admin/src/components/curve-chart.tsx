import { Box, Group, Text, useComputedColorScheme } from '@mantine/core'
import {
  AreaSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  LineType,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts'
import { useEffect, useRef, useState } from 'react'
import type { Point } from '@/lib/curves'

export interface Curve {
  name: string
  points: Point[]
  /** How a value reads, e.g. `amount` or `percent`. */
  format: (value: number) => string
  /** In a strip of its own below: a drawdown, filled from 0. */
  below?: boolean
}

const COLORS = {
  light: ['#2c6298', '#b4690e', '#6a4c93', '#137a4b'],
  dark: ['#8ab0d5', '#f0b45d', '#c3a6e8', '#5fd39b'],
}
const BELOW = { light: '#b3261e', dark: '#ff8f86' }

/** Long curves over time with a strip below them; they stand still under the cursor. */
export default function CurveChart({
  label,
  curves,
  height = 280,
}: {
  label: string
  curves: Curve[]
  height?: number
}) {
  const scheme = useComputedColorScheme('light')
  const box = useRef<HTMLDivElement>(null)
  const chart = useRef<IChartApi | null>(null)
  const drawn = useRef(new Map<string, ISeriesApi<'Line' | 'Area'>>())
  const [pointed, setPointed] = useState<Record<string, number> | null>(null)
  const names = curves.map((curve) => `${curve.name}${curve.below ? '|below' : ''}`).join('\n')

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew for other curves, not data
  useEffect(() => {
    if (!box.current) return
    const made = createChart(box.current, optionsOf(scheme))
    chart.current = made
    const upper = curves.filter((curve) => !curve.below)
    for (const curve of curves) {
      const color = colorOf(curve, upper.indexOf(curve), scheme)
      const shared = {
        priceLineVisible: false,
        lastValueVisible: true,
        priceFormat: { type: 'custom' as const, formatter: curve.format, minMove: 0.000001 },
      }
      const series = curve.below
        ? made.addSeries(
            AreaSeries,
            {
              ...shared,
              lineColor: color,
              topColor: 'transparent',
              bottomColor: `${color}40`,
              invertFilledArea: true,
              lineWidth: 1,
              lineType: LineType.Simple,
            },
            1,
          )
        : made.addSeries(LineSeries, { ...shared, color, lineWidth: 2 }, 0)
      drawn.current.set(curve.name, series)
    }
    made.panes()[0]?.setStretchFactor(3)
    made.panes()[1]?.setStretchFactor(1)
    made.subscribeCrosshairMove((move) => {
      const seen: Record<string, number> = {}
      for (const [name, series] of drawn.current) {
        const value = move.seriesData.get(series)
        if (value && 'value' in value) seen[name] = value.value
      }
      setPointed(Object.keys(seen).length > 0 ? seen : null)
    })
    return () => {
      drawn.current.clear()
      chart.current = null
      made.remove()
    }
  }, [names, scheme])

  // biome-ignore lint/correctness/useExhaustiveDependencies: a chart made anew has no data yet
  useEffect(() => {
    for (const curve of curves) {
      drawn.current
        .get(curve.name)
        ?.setData(curve.points.map(({ at, value }) => ({ time: timeOf(at), value })))
    }
    chart.current?.timeScale().fitContent()
  }, [curves, names, scheme])

  return (
    <Box>
      <Group gap="md" mb={4} wrap="wrap">
        {curves.map((curve) => {
          const last = pointed?.[curve.name] ?? curve.points.at(-1)?.value
          const upper = curves.filter((each) => !each.below)
          return (
            <Text key={curve.name} fz="xs">
              <span
                aria-hidden="true"
                style={{ color: colorOf(curve, upper.indexOf(curve), scheme), fontWeight: 700 }}
              >
                ━{' '}
              </span>
              {curve.name}: <b>{last === undefined ? '–' : curve.format(last)}</b>
            </Text>
          )
        })}
      </Group>
      <div ref={box} role="img" aria-label={spoken(label, curves)} style={{ height }} />
    </Box>
  )
}

/** What a screen reader says instead of the picture. */
function spoken(label: string, curves: Curve[]): string {
  const parts = curves.map(({ name, points, format }) => {
    const [first, last] = [points[0], points.at(-1)]
    if (!first || !last) return `${name}: nothing`
    const low = format(Math.min(...points.map((point) => point.value)))
    return `${name} from ${format(first.value)} on ${first.at.slice(0, 10)} to ${format(last.value)} on ${last.at.slice(0, 10)}, lowest ${low}`
  })
  return `${label}. ${parts.join('. ')}`
}

function colorOf(curve: Curve, place: number, scheme: 'light' | 'dark'): string {
  if (curve.below) return BELOW[scheme]
  return COLORS[scheme][place % COLORS[scheme].length] ?? COLORS[scheme][0] ?? ''
}

/** Days stay days; an instant is seconds, shifted so that the axis shows the viewer's clock. */
function timeOf(at: string): Time {
  if (at.length === 10) return at
  const instant = new Date(at)
  const seconds = instant.getTime() / 1000 - instant.getTimezoneOffset() * 60
  return Math.floor(seconds) as UTCTimestamp
}

function optionsOf(scheme: 'light' | 'dark') {
  const line = scheme === 'dark' ? '#343a40' : '#e9ecef'
  return {
    autoSize: true,
    layout: {
      background: { color: 'transparent' },
      textColor: scheme === 'dark' ? '#adb5bd' : '#495057',
      fontSize: 11,
      panes: { separatorColor: line, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: line } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
  }
}
