/** Times in the viewer's zone; UTC stands in the title; relative only under an hour. */

const CLOCK = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})
const DAY = new Intl.DateTimeFormat('en-GB', { year: 'numeric', month: 'short', day: '2-digit' })

export function ago(iso: string | null | undefined, now: number): string {
  if (!iso) return 'never'
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000)
  if (seconds < 60) return `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  return when(iso, now)
}

/** `14:03:22` of today, else `21 Nov 2026, 14:03:22`. */
export function when(iso: string, now: number): string {
  const at = new Date(iso)
  const clock = CLOCK.format(at)
  return DAY.format(at) === DAY.format(now) ? clock : `${DAY.format(at)}, ${clock}`
}

export function utc(iso: string): string {
  return `${new Date(iso).toISOString().replace('T', ' ').replace('Z', '')} UTC`
}

export function day(isoDate: string): string {
  return DAY.format(new Date(`${isoDate.slice(0, 10)}T00:00:00`))
}
