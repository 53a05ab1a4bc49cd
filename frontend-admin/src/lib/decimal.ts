/** Decimals stay text: percent and ratio are the same digits with the point moved. */

const DECIMAL = /^-?\d+(\.\d*)?$/

/** `12.5` → `0.125`; null where it is no number. */
export function ratioOf(percent: string): string | null {
  return shifted(percent, -2)
}

/** `0.125` → `12.5`, as it is typed. */
export function percentOf(ratio: string | null | undefined): string {
  return ratio === null || ratio === undefined ? '' : (shifted(plain(ratio), 2) ?? '')
}

/** Whether it is a decimal that may be sent. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text.trim())
}

/** `1E-7` as the services may write it → `0.0000001`. */
function plain(text: string): string {
  return /e/i.test(text) ? Number(text).toFixed(12) : text
}

function shifted(text: string, places: number): string | null {
  const trimmed = text.trim().replace(',', '.')
  if (!DECIMAL.test(trimmed)) return null
  const sign = trimmed.startsWith('-') ? '-' : ''
  const [whole = '0', behind = ''] = trimmed.replace('-', '').split('.')
  const digits = places > 0 ? whole + behind.padEnd(places, '0') : whole.padStart(1 - places, '0')
  const point = places > 0 ? whole.length + places : digits.length + places
  const all = places > 0 ? digits : digits + behind
  const front = all.slice(0, point).replace(/^0+(?=\d)/, '') || '0'
  const back = all.slice(point).replace(/0+$/, '')
  return `${sign}${front}${back === '' ? '' : `.${back}`}`
}
