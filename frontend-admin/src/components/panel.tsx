import { Group, Paper, Title } from '@mantine/core'
import type { ReactNode } from 'react'

/** A part of a page under its own name. */
export function Panel({
  title,
  actions,
  children,
}: {
  title: string
  actions?: ReactNode
  children: ReactNode
}) {
  return (
    <Paper component="section" withBorder p="sm" aria-label={title}>
      <Group justify="space-between" mb="xs" wrap="wrap">
        <Title order={2}>{title}</Title>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Paper>
  )
}
