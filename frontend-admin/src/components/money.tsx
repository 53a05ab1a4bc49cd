import { amount, direction, exact, signed, signedPercent } from '@/lib/format'

type Value = string | number | null | undefined

/** An amount; the exact value on hover. */
export function Money({ value, digits = 2 }: { value: Value; digits?: number }) {
  return (
    <span className="number" title={typeof value === 'string' ? exact(value) : undefined}>
      {amount(value, digits)}
    </span>
  )
}

/** Profit or loss: sign, arrow and color, never the color alone. */
export function Pnl({
  value,
  digits = 2,
  ratio = false,
}: {
  value: Value
  digits?: number
  ratio?: boolean
}) {
  const way = direction(value)
  const arrow = { up: '▲', down: '▼', flat: '' }[way]
  const text = ratio ? signedPercent(value, digits) : signed(value, digits)
  return (
    <span className={`number ${way}`} title={typeof value === 'string' ? exact(value) : undefined}>
      {arrow && <span aria-hidden="true">{arrow} </span>}
      {text}
    </span>
  )
}

/** A quantity or price exactly as booked. */
export function Exact({ value }: { value: string | null | undefined }) {
  return <span className="number">{exact(value)}</span>
}

/** A price: two digits at least, six at most; the exact value on hover. */
export function Price({ value }: { value: string | null | undefined }) {
  const number = value ? Number(value) : Number.NaN
  if (Number.isNaN(number)) return <span className="number">–</span>
  return (
    <span className="number" title={exact(value)}>
      {number.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 6 })}
    </span>
  )
}
