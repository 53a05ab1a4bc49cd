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

/** `status ACTIVE → HALTED, reason – → test`; of what was not there before, only what it is. */
export function changesInWords(before: unknown, after: unknown): string {
  const made = before === null || before === undefined
  return changesOf(before, after)
    .filter((change) => !made || !EMPTY.has(change.after))
    .map(({ field, before: was, after: is }) =>
      made ? `${field} ${is}`.trim() : `${field} ${was} → ${is}`.trim(),
    )
    .join(', ')
}

/** What a new thing has not been given. */
const EMPTY = new Set(['', '[]', '{}'])

function fieldsOf(value: unknown, name = ''): Map<string, string> {
  if (value === null || value === undefined) return new Map()
  if (typeof value !== 'object' || Array.isArray(value))
    return new Map([[name, typeof value === 'object' ? JSON.stringify(value) : String(value)]])
  const found = new Map<string, string>()
  for (const [key, inner] of Object.entries(value))
    for (const [path, text] of fieldsOf(inner, name ? `${name}.${key}` : key)) found.set(path, text)
  return found
}
