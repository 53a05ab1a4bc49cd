import { Alert, Button, Group, Stack, Table, Text } from '@mantine/core'
import { TimeText } from '@/components/time-text'
import { type Collision, FIELD_NAMES, told } from './settings-draft'
import type { StrategyView } from './types'

/** Somebody else was faster: what they changed, beside what is wanted here. */
export function Collisions({
  now,
  collisions,
  takeTheirs,
  keepMine,
}: {
  now: StrategyView
  collisions: Collision[]
  takeTheirs: () => void
  keepMine: () => void
}) {
  return (
    <Alert
      color="yellow"
      variant="light"
      role="alert"
      title={`${now.updated_by ?? 'Somebody'} has changed this strategy meanwhile`}
    >
      <Stack gap="sm">
        <Text fz="sm">
          It is at version {now.version} since <TimeText at={now.updated_at} />. Nothing of yours is
          saved yet.
        </Text>
        {collisions.length > 0 ? (
          <Table.ScrollContainer minWidth={480}>
            <Table aria-label="What somebody else has changed">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Field</Table.Th>
                  <Table.Th>You started from</Table.Th>
                  <Table.Th>Now</Table.Th>
                  <Table.Th>You want</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {collisions.map((each) => (
                  <Table.Tr key={each.field}>
                    <Table.Td>{FIELD_NAMES[each.field]}</Table.Td>
                    <Table.Td>{told(each.was)}</Table.Td>
                    <Table.Td fw={600}>{told(each.theirs)}</Table.Td>
                    <Table.Td>{each.mine === undefined ? 'as it is' : told(each.mine)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        ) : (
          <Text fz="sm">None of the fields on this page is otherwise (mode or limits are).</Text>
        )}
        <Group gap="xs">
          <Button onClick={keepMine}>Keep my changes, on top of theirs</Button>
          <Button variant="default" onClick={takeTheirs}>
            Take theirs, drop mine
          </Button>
        </Group>
      </Stack>
    </Alert>
  )
}
