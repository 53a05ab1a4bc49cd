import { TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { percentOf, ratioOf } from '@/lib/decimal'

/** A ratio typed as percent: the digits stay as they are, only the point moves. */
export function PercentInput({
  label,
  hidden = false,
  description,
  ratio,
  change,
  disabled,
  width,
}: {
  label: string
  /** The label is only spoken, where a table's header says it already. */
  hidden?: boolean
  description?: string
  /** Decimal text; empty = nothing. */
  ratio: string
  change: (ratio: string) => void
  disabled?: boolean
  width?: number | string
}) {
  const [typed, setTyped] = useState(() => percentOf(ratio || null))
  const read = typed.trim() === '' ? '' : ratioOf(typed)
  useEffect(() => {
    // Only where another value has come from outside, not while `12.` is being typed.
    setTyped((before) =>
      ratioOf(before) === ratio || before === ratio ? before : percentOf(ratio || null),
    )
  }, [ratio])
  return (
    <TextInput
      label={hidden ? undefined : label}
      aria-label={hidden ? label : undefined}
      description={description}
      inputMode="decimal"
      rightSection="%"
      w={width}
      value={typed}
      disabled={disabled}
      error={read === null && (hidden ? true : 'a number is expected')}
      styles={{ input: { textAlign: 'right' } }}
      onChange={(event) => {
        const text = event.currentTarget.value
        setTyped(text)
        const next = text.trim() === '' ? '' : ratioOf(text)
        if (next !== null) change(next)
      }}
    />
  )
}
