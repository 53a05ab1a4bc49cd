import { Button, Text } from '@mantine/core'
import { Link } from 'react-router'
import { KeyFacts } from '@/components/key-facts'
import { Panel } from '@/components/panel'
import { Empty } from '@/components/states'
import { LIMITS, limitText } from '@/lib/limit-names'
import type { StrategyView } from './types'

/** This strategy's own limits. They are changed where their effect can be seen before. */
export function LimitsTab({ strategy }: { strategy: StrategyView }) {
  const own = strategy.limits
  const set = LIMITS.filter(({ name }) => own?.[name] !== null && own?.[name] !== undefined)
  const to = `/risk?tab=limits&scope=STRATEGY&id=${encodeURIComponent(strategy.strategy_id)}`
  return (
    <Panel
      title="Limits of this strategy"
      actions={
        <Button component={Link} to={to} variant="default">
          Change, with a preview
        </Button>
      }
    >
      {set.length === 0 && !own?.restricted ? (
        <Empty>
          It has none of its own: those of its accounts and of everything hold for it all the same.
        </Empty>
      ) : (
        <KeyFacts
          facts={[
            ...set.map((limit): [string, string] => [
              limit.title,
              limitText(limit, own?.[limit.name]),
            ]),
            ...(own?.restricted
              ? [['Restricted', 'nothing may be entered'] as [string, string]]
              : []),
          ]}
        />
      )}
      {own && (
        <Text fz="xs" c="dimmed" mt="sm">
          Version {own.version}, set by {own.set_by || 'nobody'}: {own.reason}
        </Text>
      )}
    </Panel>
  )
}
