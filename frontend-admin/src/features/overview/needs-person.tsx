import { Anchor, Badge, Group, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'

type All = components['schemas']['Needs']
type Need = components['schemas']['Need']

const PLACES: Record<Need['kind'], (key: string) => string> = {
  INCIDENT: (key) => `/system?tab=incidents&incident=${key}`,
  APPROVAL: (key) => `/approvals?signal=${key}`,
  ALLOCATION: () => '/allocations',
  DEAD_LETTER: (key) => `/system?tab=dead-letters&letter=${key}`,
  STALE_ACCOUNT: (key) => `/accounts/${key}`,
  UNKNOWN_ORDER: (key) => `/orders/${key}`,
}

/** What a person has to look at, the most pressing first. */
export function NeedsPerson({ needs }: { needs: All }) {
  const left = needs.total - needs.rows.length
  return (
    <Panel title={`Needs a person${needs.total ? ` (${needs.total})` : ''}`}>
      {needs.rows.length === 0 ? (
        <Empty>Nothing needs you.</Empty>
      ) : (
        <Stack gap={8} component="ul" m={0} p={0} style={{ listStyle: 'none' }}>
          {needs.rows.map((need) => (
            <li key={need.kind + need.key}>
              <Group gap="xs" wrap="nowrap" align="start">
                <Badge size="sm" radius="sm" variant="light" color="red" miw={110}>
                  {words(need.kind)}
                </Badge>
                <Text fz="sm" style={{ overflowWrap: 'anywhere' }}>
                  <Anchor
                    component={Link}
                    fz="inherit"
                    to={PLACES[need.kind](encodeURIComponent(need.key))}
                  >
                    {need.sentence}
                  </Anchor>
                  {need.since && (
                    <Text span fz="xs" c="dimmed">
                      {' '}
                      since <TimeText at={need.since} />
                    </Text>
                  )}
                </Text>
              </Group>
            </li>
          ))}
          {left > 0 && (
            <Text fz="xs" c="dimmed" component="li">
              and {left} more
            </Text>
          )}
        </Stack>
      )}
    </Panel>
  )
}
