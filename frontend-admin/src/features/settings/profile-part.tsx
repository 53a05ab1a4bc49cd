import { Text } from '@mantine/core'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { words } from '@/lib/format'
import { useMe } from './use-me'

const MEANS: Record<string, string> = {
  READ: 'see everything an operator sees',
  TRADE: 'cancel, flatten, kill, approve signals',
  CONFIGURE: 'change strategies, allocations, limits, accounts',
  ADMINISTER: 'look after users',
  OWN: 'see own strategies',
  RESULTS: 'see results of the fund',
  SELF: 'look after themselves',
}

export function ProfilePart() {
  const query = useMe()
  return (
    <Loaded query={query} what="Your profile">
      {(me) => (
        <Panel title={me.display_name}>
          <KeyFacts
            facts={[
              ['Name', me.name],
              ['Role', words(me.role)],
              ['E-mail', me.email || '–'],
              ['Second factor', me.totp_enabled ? 'on' : 'off'],
              ['Password changed', <TimeText key="changed" at={me.password_changed_at} />],
              ['Strategies', me.strategies === null ? 'all' : me.strategies.join(', ') || 'none'],
            ]}
          />
          <Text fz="sm" mt="md">
            You may {me.permissions.map((each) => MEANS[each] ?? words(each)).join('; ')}.
          </Text>
          <Text fz="xs" c="dimmed" mt={4}>
            An admin changes name, e-mail and role.
          </Text>
        </Panel>
      )}
    </Loaded>
  )
}
