import { Badge, Box, Group, Stack, Table, Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { type Bar, type Cascade, cascades, checks } from '@/lib/cascade'
import { words } from '@/lib/format'
import { StatusBadge } from './status-badge'
import styles from './waterfall.module.css'

type View = components['schemas']['DecisionView']
type Decision = Pick<View, 'outcome' | 'code' | 'reason' | 'steps'> &
  Partial<Pick<View, 'passable'>>

/** How a decision came about: bars from asked to final, what bound, and what else was looked at. */
export function Waterfall({ decision }: { decision: Decision }) {
  const legs = cascades(decision.steps)
  const looked = checks(decision.steps)
  const stopped = looked.filter((step) => step.bound)
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <StatusBadge status={decision.outcome} />
        <Text fz="sm" className={styles.sentence}>
          {decision.reason || 'all that was asked for was approved'}
          {decision.code && (
            <Text span c="dimmed">
              {' '}
              ({decision.code})
            </Text>
          )}
        </Text>
      </Group>
      {stopped.map((step) => (
        <Text key={`${step.name}${step.account_id}`} fz="sm" className="down">
          ✗ {words(step.name)}: {step.sentence}
        </Text>
      ))}
      {decision.passable?.map((each) => (
        <Text key={`${each.account_id}${each.leg_index}`} fz="sm">
          {each.sentence}
        </Text>
      ))}
      {legs.map((leg) => (
        <Leg key={`${leg.account}|${leg.leg}`} leg={leg} />
      ))}
      {looked.length > 0 && (
        <details open={legs.length === 0}>
          <summary>
            {looked.length - stopped.length} checks passed
            {stopped.length > 0 && `, ${stopped.length} did not`}
          </summary>
          <Table mt={6} aria-label="checks">
            <Table.Tbody>
              {looked.map((step, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: steps never change their order
                <Table.Tr key={place}>
                  <Table.Th fw={500}>
                    {step.bound ? '✗' : '✓'} {words(step.name)}
                  </Table.Th>
                  <Table.Td className={styles.sentence}>{step.sentence}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </details>
      )}
    </Stack>
  )
}

function Leg({ leg }: { leg: Cascade }) {
  const most = Math.max(...leg.bars.map((bar) => Math.max(bar.before, bar.after)), 1e-9)
  // The last that bound made the result what it is; those before it only came near, and the split
  // between accounts shares out what caps have left. Cerebro's reason names the same one.
  const bound = leg.bars.filter((bar) => bar.bound)
  const binding = bound.findLast((bar) => bar.name !== 'split') ?? bound.at(-1)
  const name = `${leg.account}${leg.leg > 0 ? `, leg ${leg.leg + 1}` : ''}`
  return (
    <Box style={{ overflowX: 'auto' }} tabIndex={0} role="region" aria-label={`waterfall ${name}`}>
      <Table aria-label={`waterfall ${name}`}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{name || 'Step'}</Table.Th>
            <Table.Th w="30%">
              {short(leg.asked)} asked → {short(leg.final)}
            </Table.Th>
            <Table.Th ta="right">Left</Table.Th>
            <Table.Th>Why</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {leg.bars.map((bar, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: steps never change their order
            <Row key={place} bar={bar} most={most} binding={bar === binding} />
          ))}
        </Table.Tbody>
      </Table>
    </Box>
  )
}

function Row({ bar, most, binding }: { bar: Bar; most: number; binding: boolean }) {
  const share = (quantity: number) => `${(quantity / most) * 100}%`
  const lost = Math.max(0, bar.before - bar.after)
  return (
    <Table.Tr aria-current={binding || undefined}>
      <Table.Th fw={binding ? 700 : 500} style={{ whiteSpace: 'nowrap' }}>
        {words(bar.name)}{' '}
        {binding && (
          <Badge size="xs" color="red" variant="outline">
            binding
          </Badge>
        )}
      </Table.Th>
      <Table.Td>
        <div className={styles.rail} aria-hidden="true">
          <div className={styles.kept} style={{ width: share(bar.after) }} />
          {lost > 0 && (
            <div className={styles.lost} style={{ left: share(bar.after), width: share(lost) }} />
          )}
        </div>
      </Table.Td>
      <Table.Td className="number" title={String(bar.after)}>
        {short(bar.after)}
      </Table.Td>
      <Table.Td className={styles.sentence}>
        {bar.sentence}
        {bar.otherwise !== null && (
          <Text fz="xs" c="dimmed">
            would have been up to {short(bar.otherwise)} if {words(bar.name).toLowerCase()} had had
            room
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  )
}

function short(quantity: number): string {
  return quantity.toLocaleString('en-US', { maximumFractionDigits: 4 })
}
