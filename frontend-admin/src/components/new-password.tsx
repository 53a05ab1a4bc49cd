import { type MantineSize, PasswordInput } from '@mantine/core'
import { useState } from 'react'

const LEAST = 12

/** A new password, typed twice; `choose` gets it once both agree, and null while they do not. */
export function NewPassword({
  choose,
  size = 'xs',
}: {
  choose: (password: string | null) => void
  size?: MantineSize
}) {
  const [first, setFirst] = useState('')
  const [second, setSecond] = useState('')

  function tell(one: string, other: string) {
    setFirst(one)
    setSecond(other)
    choose([...one].length >= LEAST && one === other ? one : null)
  }

  return (
    <>
      <PasswordInput
        label="New password"
        description={`At least ${LEAST} letters; a sentence is easier to remember than a riddle.`}
        size={size}
        value={first}
        onChange={(event) => tell(event.currentTarget.value, second)}
        error={first !== '' && [...first].length < LEAST && `${[...first].length} of ${LEAST}`}
        autoComplete="new-password"
        required
      />
      <PasswordInput
        label="The same again"
        size={size}
        value={second}
        onChange={(event) => tell(first, event.currentTarget.value)}
        error={second !== '' && first !== second && 'These two are not the same.'}
        autoComplete="new-password"
        required
      />
    </>
  )
}
