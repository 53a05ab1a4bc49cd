import { Anchor, Code, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import { Panel } from '@/components/panel'

const VIEWS: [string, string][] = [
  ['All signals', ''],
  ['Denied, with the reason of each', '&status=DENIED'],
  ['Working now', '&status=WORKING'],
  ['Could not be read', '&status=QUARANTINED'],
]

/** Where this strategy's signals, orders and positions are. */
export function SignalsTab({ strategyId }: { strategyId: string }) {
  const of = `strategy_id=${encodeURIComponent(strategyId)}`
  return (
    <Panel title="Signals of this strategy">
      <Stack gap={6}>
        {VIEWS.map(([title, more]) => (
          <Anchor key={title} component={Link} to={`/signals?${of}${more}`} fz="sm">
            {title}
          </Anchor>
        ))}
        <Anchor component={Link} to={`/orders?${of}`} fz="sm">
          Its orders
        </Anchor>
        <Anchor component={Link} to={`/positions?by=strategy&${of}`} fz="sm">
          Its positions
        </Anchor>
        <Text fz="sm" c="dimmed" mt="xs">
          To send it a test signal, at a terminal:
        </Text>
        <Code block>
          python3 scripts/send_signal.py docs/examples/entry.json --follow --key &lt;key of{' '}
          {strategyId}&gt;
        </Code>
      </Stack>
    </Panel>
  )
}
