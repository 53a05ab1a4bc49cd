import {
  createSeriesMarkers,
  LineSeries,
  LineType,
  type SeriesMarker,
  type Time,
} from 'lightweight-charts'
import { useEffect } from 'react'
import { exact } from '@/lib/format'
import { inOrder, useChart } from './use-chart'

export interface FillPoint {
  at: string
  price: string
  side: string
  quantity: string
}

export interface PricePoint {
  at: string
  price: string
}

export interface FillsProps {
  label: string
  fills: FillPoint[]
  /** Prices known besides: what the sender saw, limits, stops. */
  lines: { name: string; price: string }[]
  /** The market meanwhile, where it is known; without it the fills are joined. */
  prices?: PricePoint[]
}

const NOTHING: PricePoint[] = []

/** Where we bought and sold, on the price. */
export function FillsCanvas({ label, fills, lines, prices = NOTHING }: FillsProps) {
  const [place, chart, palette] = useChart()
  useEffect(() => {
    if (!chart) return
    const points = inOrder(fills)
    const market = chart.addSeries(LineSeries, {
      color: palette.line,
      lineWidth: 1,
      priceLineVisible: false,
    })
    market.setData(inOrder(prices).map(([time, { price }]) => ({ time, value: Number(price) })))
    const series = chart.addSeries(LineSeries, {
      color: palette.quiet,
      lineVisible: prices.length === 0,
      lineWidth: 1,
      lineType: LineType.WithSteps,
      pointMarkersVisible: true,
      priceLineVisible: false,
    })
    series.setData(points.map(([time, fill]) => ({ time, value: Number(fill.price) })))
    const marked = points.map(([time, fill]): SeriesMarker<Time> => {
      const buy = fill.side === 'BUY'
      return {
        time,
        position: buy ? 'belowBar' : 'aboveBar',
        shape: buy ? 'arrowUp' : 'arrowDown',
        color: buy ? palette.up : palette.down,
        text: `${fill.side} ${exact(fill.quantity)}`,
      }
    })
    createSeriesMarkers(series, marked)
    for (const line of lines)
      series.createPriceLine({
        price: Number(line.price),
        title: line.name,
        color: palette.quiet,
        lineStyle: 2,
        axisLabelVisible: true,
      })
    chart.timeScale().fitContent()
    return () => {
      try {
        chart.removeSeries(series)
        chart.removeSeries(market)
      } catch {
        // the chart has gone first
      }
    }
  }, [chart, fills, lines, prices, palette])
  return (
    <figure style={{ margin: 0 }} aria-label={label}>
      <div ref={place} style={{ height: 220 }} />
    </figure>
  )
}
