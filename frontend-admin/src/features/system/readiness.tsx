import { Stack, Text } from '@mantine/core'
import type { components } from '@/api/dashboard-creator'
import { Empty } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'

type Check = components['schemas']['Check']
type Account = components['schemas']['AccountReadiness']

/** What is ready and what is missing, with what to do about it; what is not green is open. */
export function Readiness({
  checks,
  accounts,
}: {
  checks: readonly Check[]
  accounts: readonly Account[]
}) {
  if (checks.length + accounts.length === 0)
    return <Empty command="python3 scripts/accounts.py add">There is no account yet.</Empty>
  return (
    <Stack gap="xs">
      {checks.map((check) => (
        <One key={check.name} check={check} />
      ))}
      {accounts.map((account) => (
        <details key={account.account_id} open={account.state !== 'GREEN'}>
          <summary>
            {account.account_id} <StatusBadge status={account.state} />
          </summary>
          <Stack gap={4} mt={4} pl="md">
            {account.checks.map((check) => (
              <One key={check.name} check={check} />
            ))}
          </Stack>
        </details>
      ))}
    </Stack>
  )
}

const MARKS = { GREEN: ['✓', 'up'], AMBER: ['⚠', 'stale'], RED: ['✗', 'down'] } as const

function One({ check }: { check: Check }) {
  const [mark, tone] = MARKS[check.state]
  return (
    <Text fz="sm" component="div">
      <span className={tone} role="img" aria-label={check.state.toLowerCase()}>
        {mark}
      </span>{' '}
      {check.name}: {check.sentence}
      {check.fix && (
        <Text span fz="xs" c="dimmed" display="block">
          {check.fix}
        </Text>
      )}
    </Text>
  )
}
