/** One field of something before and after a change. */
export interface Change {
  field: string
  before: string
  after: string
}

/** What an act has changed, field by field; what stayed the same is not named. */
export function changesOf(before: unknown, after: unknown): Change[] {
  const one = fieldsOf(before)
  const other = fieldsOf(after)
  const fields = new Set([...one.keys(), ...other.keys()])
  return [...fields]
    .map((field) => ({
      field,
      before: one.get(field) ?? '–',
      after: other.get(field) ?? '–',
    }))
    .filter((change) => change.before !== change.after)
}

/** `status ACTIVE → HALTED, reason – → test` */
export function changesInWords(before: unknown, after: unknown): string {
  return changesOf(before, after)
    .map((change) => `${change.field} ${change.before} → ${change.after}`.trim())
    .join(', ')
}

function fieldsOf(value: unknown, name = ''): Map<string, string> {
  if (value === null || value === undefined) return new Map()
  if (typeof value !== 'object' || Array.isArray(value))
    return new Map([[name, typeof value === 'object' ? JSON.stringify(value) : String(value)]])
  const found = new Map<string, string>()
  for (const [key, inner] of Object.entries(value))
    for (const [path, text] of fieldsOf(inner, name ? `${name}.${key}` : key)) found.set(path, text)
  return found
}
