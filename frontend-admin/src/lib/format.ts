/**
 * Numbers as people read them. Decimals arrive as strings and are only ever rounded here, for the
 * eye; whoever needs the exact value shows the string itself.
 */

const NOTHING = '–'
type Decimal = string | number | null | undefined

/** Thousands separated, with so many digits behind the point: `1,234.50`. */
export function amount(value: Decimal, digits = 2): string {
  const number = numberOf(value)
  if (number === null) return NOTHING
  const text = Math.abs(number).toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  })
  // What rounds to nothing has no sign.
  return number < 0 && /[1-9]/.test(text) ? `−${text}` : text
}

/** With its sign always: `+12.00`, `−3.40`. */
export function signed(value: Decimal, digits = 2): string {
  const number = numberOf(value)
  if (number === null) return NOTHING
  const text = amount(Math.abs(number), digits)
  if (!/[1-9]/.test(text)) return text
  return number > 0 ? `+${text}` : `−${text}`
}

/** Of a ratio: 0.0534 is `5.34 %`. */
export function percent(ratio: Decimal, digits = 2): string {
  const number = numberOf(ratio)
  return number === null ? NOTHING : `${amount(number * 100, digits)} %`
}

/** Of a ratio, with its sign. */
export function signedPercent(ratio: Decimal, digits = 2): string {
  const number = numberOf(ratio)
  return number === null ? NOTHING : `${signed(number * 100, digits)} %`
}

/** Exactly as booked, thousands separated, nothing rounded: `12,000.5`. */
export function exact(value: string | null | undefined): string {
  if (value === null || value === undefined || value === '') return NOTHING
  const [whole = '', rest] = value.split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',').replace('-', '−')
  return rest === undefined ? grouped : `${grouped}.${rest}`
}

/** What 1 has become: `1.042 ×`, `23.44 ×`. */
export function times(value: Decimal): string {
  const number = numberOf(value)
  return number === null ? NOTHING : `${amount(number, Math.abs(number) < 10 ? 3 : 2)} ×`
}

/** Milliseconds as people say them: `14 ms`, `2.3 s`. */
export function duration(milliseconds: number | null | undefined): string {
  if (milliseconds === null || milliseconds === undefined) return NOTHING
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`
}

/** Which way money went, for color and for the arrow beside it. */
export function direction(value: Decimal): 'up' | 'down' | 'flat' {
  const number = numberOf(value)
  return number === null || number === 0 ? 'flat' : number > 0 ? 'up' : 'down'
}

export function numberOf(value: Decimal): number | null {
  if (value === null || value === undefined || value === '') return null
  const number = Number(value)
  return Number.isFinite(number) ? number : null
}

/** `BROKEN_JSON` → `Broken json`. */
export function words(code: string): string {
  const text = code.toLowerCase().replaceAll('_', ' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}
