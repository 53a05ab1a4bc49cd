import { Group, Text } from '@mantine/core'
import { AreaSeries, type ISeriesApi, LineSeries, type MouseEventParams } from 'lightweight-charts'
import { useEffect, useRef, useState } from 'react'
import { clockOf, inOrder, type Palette, useChart } from './use-chart'

export interface CurvePoint {
  at: string
  value: number | null
  /** Another curve to compare it with, in the same unit. */
  beside?: number | null
  /** Drawn in a pane of its own under it; a ratio, 0 or below. */
  below?: number | null
}

export interface CurveProps {
  /** In words what the curve tells: it is read to those who do not see it. */
  label: string
  points: CurvePoint[]
  format: (value: number) => string
  besideName?: string
  belowName?: string
  height?: number
}

type Field = 'value' | 'beside' | 'below'
type Drawn = Partial<Record<Field, ISeriesApi<'Area' | 'Line'>>>

/** Curve, benchmark and drawdown. While the cursor is on it, it stays as it is. */
export function CurveCanvas(props: CurveProps) {
  const { label, points, format, besideName, belowName, height = 320 } = props
  const [place, chart, palette] = useChart()
  const [drawn, setDrawn] = useState<Drawn>({})
  const under = useRef(false)
  const held = useRef<(() => void) | null>(null)
  const legend = useRef<HTMLSpanElement>(null)
  const has = { beside: besideName !== undefined, below: belowName !== undefined }

  useEffect(() => {
    if (!chart) return
    const series: Drawn = {
      value: chart.addSeries(AreaSeries, {
        lineWidth: 2,
        priceLineVisible: false,
        priceFormat: { type: 'custom', formatter: format, minMove: 0.0001 },
      }),
    }
    if (has.beside)
      series.beside = chart.addSeries(LineSeries, {
        lineWidth: 1,
        lineStyle: 2,
        priceLineVisible: false,
        lastValueVisible: false,
        priceFormat: { type: 'custom', formatter: format, minMove: 0.0001 },
      })
    if (has.below) {
      series.below = chart.addSeries(AreaSeries, { ...DRAWDOWN, invertFilledArea: true }, 1)
      chart.panes()[1]?.setStretchFactor(0.35)
    }
    setDrawn(series)
    return () => {
      for (const each of Object.values(series)) {
        try {
          chart.removeSeries(each)
        } catch {
          // the chart has gone first
        }
      }
    }
  }, [chart, format, has.beside, has.below])

  useEffect(() => {
    for (const [field, options] of Object.entries(colors(palette)))
      drawn[field as Field]?.applyOptions(options)
  }, [drawn, palette])

  useEffect(() => {
    if (!chart) return
    const draw = () => {
      held.current = null
      for (const field of ['value', 'beside', 'below'] as const)
        drawn[field]?.setData(
          inOrder(points).map(([time, point]) => {
            const value = point[field]
            return value === null || value === undefined ? { time } : { time, value }
          }),
        )
      chart.timeScale().fitContent()
    }
    if (under.current) held.current = draw
    else draw()
  }, [chart, drawn, points])

  useEffect(() => {
    if (!chart) return
    // A telephone that is turned shows all of it again.
    const fit = () => chart.timeScale().fitContent()
    chart.timeScale().subscribeSizeChange(fit)
    return () => {
      try {
        chart.timeScale().unsubscribeSizeChange(fit)
      } catch {
        // the chart has gone first
      }
    }
  }, [chart])

  useEffect(() => {
    if (!chart) return
    const tell = (event: MouseEventParams) => {
      if (legend.current) legend.current.textContent = said(event)
    }
    const said = (event: MouseEventParams) => {
      if (event.time === undefined) return ''
      const values = Object.entries(drawn).flatMap(([field, series]) => {
        const point = event.seriesData.get(series)
        if (!point || !('value' in point)) return []
        const name = { value: '', beside: `${besideName} `, below: `${belowName} ` }[field as Field]
        return [name + (field === 'below' ? asPercent(point.value) : format(point.value))]
      })
      return [clockOf(event.time), ...values].join(' · ')
    }
    chart.subscribeCrosshairMove(tell)
    return () => chart.unsubscribeCrosshairMove(tell)
  }, [chart, drawn, format, besideName, belowName])

  return (
    <figure style={{ margin: 0 }} aria-label={label}>
      <Group gap="md" component="figcaption" h={20}>
        <Text fz="xs" c="dimmed" component="span" ref={legend} />
      </Group>
      <div
        ref={place}
        style={{ height }}
        onPointerEnter={() => {
          under.current = true
        }}
        onPointerLeave={() => {
          under.current = false
          held.current?.()
        }}
      />
    </figure>
  )
}

const asPercent = (ratio: number) => `${(ratio * 100).toFixed(2)} %`
const DRAWDOWN = {
  lineWidth: 1,
  priceLineVisible: false,
  lastValueVisible: false,
  priceFormat: { type: 'custom', formatter: asPercent, minMove: 0.0001 },
} as const

function colors(palette: Palette): Record<Field, object> {
  return {
    value: {
      lineColor: palette.line,
      topColor: `${palette.line}33`,
      bottomColor: `${palette.line}00`,
    },
    beside: { color: palette.quiet },
    below: {
      lineColor: palette.down,
      topColor: `${palette.down}00`,
      bottomColor: `${palette.down}40`,
    },
  }
}
