/** Curves of daily returns: what 1 has become, and how far below its peak it is. */

export interface Point {
  /** A day `2026-11-20`, or an instant in ISO 8601. */
  at: string
  value: number
}

export function growthOf(returns: Point[]): Point[] {
  let grown = 1
  return returns.map(({ at, value }) => {
    grown *= 1 + value
    return { at, value: grown }
  })
}

/** 0 at a peak, −0.1 where a tenth is lost since; starts from `start` where that is known. */
export function drawdownOf(levels: Point[], start?: number): Point[] {
  let peak = start ?? Number.NEGATIVE_INFINITY
  return levels.map(({ at, value }) => {
    peak = Math.max(peak, value)
    return { at, value: peak > 0 ? value / peak - 1 : 0 }
  })
}

export function lowest(points: Point[]): number | null {
  return points.length === 0 ? null : Math.min(...points.map((point) => point.value))
}

/** Growth of 1 with its drawdown below, as the chart wants it. */
export function curveOf(returns: Point[]): (Point & { below: number })[] {
  const grown = growthOf(returns)
  const under = drawdownOf(grown, 1)
  return grown.map((point, place) => ({ ...point, below: under[place]?.value ?? 0 }))
}

/** A curve in words, for those who do not see it. */
export function spoken(points: readonly Point[], format: (value: number) => string): string {
  const [first, last] = [points[0], points.at(-1)]
  if (!first || !last) return 'without a point'
  const low = lowest([...points]) ?? first.value
  return `from ${format(first.value)} on ${first.at.slice(0, 10)} to ${format(last.value)} on ${last.at.slice(0, 10)}, lowest ${format(low)}`
}
