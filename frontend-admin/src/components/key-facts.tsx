import { SimpleGrid, Text } from '@mantine/core'
import type { ReactNode } from 'react'

/** A few facts side by side, each under its name. */
export function KeyFacts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <SimpleGrid component="dl" cols={{ base: 2, sm: 3, md: 4, lg: 6 }} spacing="sm" m={0}>
      {facts.map(([name, fact]) => (
        <div key={name}>
          <Text component="dt" fz="xs" c="dimmed">
            {name}
          </Text>
          <Text component="dd" fz="sm" m={0} style={{ overflowWrap: 'anywhere' }}>
            {fact}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  )
}
