import { Group, Stack, Switch } from '@mantine/core'
import type { ReactNode } from 'react'

/** Terms that a person turns on and off, and their fields while they are on. */
export function OptionalTerms({
  label,
  on,
  turn,
  disabled,
  children,
}: {
  label: string
  on: boolean
  turn: (on: boolean) => void
  disabled: boolean
  children: ReactNode
}) {
  return (
    <Stack gap={6}>
      <Switch
        label={label}
        checked={on}
        disabled={disabled}
        onChange={(event) => turn(event.currentTarget.checked)}
      />
      {on && (
        <Group gap="xs" align="end">
          {children}
        </Group>
      )}
    </Stack>
  )
}
