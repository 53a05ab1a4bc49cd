import { Alert, Anchor, List, Stack, Text } from '@mantine/core'
import { Link, useParams } from 'react-router'
import { $dashboards } from '@/api/client'
import type { components } from '@/api/dashboard-creator'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { duration, exact, percent, words } from '@/lib/format'

type SignalPage = components['schemas']['SenderSignalPage']

/** One signal as its sender may see it: the road, the decision in words, and what was filled. */
export function DeveloperSignalPage() {
  const { strategyId = '', signalId = '' } = useParams()
  const query = $dashboards.useQuery(
    'get',
    '/api/v1/signal-senders/{strategy_id}/signals/{signal_id}',
    { params: { path: { strategy_id: strategyId, signal_id: signalId } } },
  )
  return (
    <Page
      title={query.data?.external_id || 'Signal'}
      actions={
        <Anchor
          component={Link}
          to={`/developer?tab=signals&strategy_id=${encodeURIComponent(strategyId)}`}
        >
          All signals
        </Anchor>
      }
    >
      <Loaded query={query} what="The signal" rows={8}>
        {(signal) => <Detail signal={signal} />}
      </Loaded>
    </Page>
  )
}

function Detail({ signal }: { signal: SignalPage }) {
  const { decision } = signal
  return (
    <Stack gap="md">
      <Text>{signal.sentence}</Text>
      <StatusBadge status={signal.status} />
      {signal.quarantine && (
        <Alert color="red" variant="light" title={signal.quarantine.code}>
          {signal.quarantine.sentence}
        </Alert>
      )}
      {signal.warnings.map((warning) => (
        <Alert key={warning} color="yellow" variant="light">
          {warning}
        </Alert>
      ))}
      <Panel title="Road">
        <List size="sm" type="ordered">
          {signal.road.map((stage) => (
            <List.Item key={`${stage.name}-${stage.at}`}>
              {words(stage.name)} after {duration(stage.since_arrival_ms)}
            </List.Item>
          ))}
        </List>
      </Panel>
      {decision && (
        <Panel title="Decision">
          <StatusBadge status={decision.outcome} />
          <Text fz="sm" mt={4}>
            {decision.reason}
          </Text>
          <Text fz="sm">{decision.meaning}</Text>
          {decision.fix && <Text fz="sm">What to do: {decision.fix}</Text>}
          <List size="sm" mt="xs">
            {decision.steps.map((step) => (
              <List.Item key={`${step.name}-${step.sentence}`}>
                {step.sentence}
                {step.kept_ratio === null ? '' : ` (${percent(step.kept_ratio, 0)} left)`}
              </List.Item>
            ))}
          </List>
        </Panel>
      )}
      {signal.fills.length > 0 && (
        <Panel title="Fills">
          <List size="sm">
            {signal.fills.map((fill) => (
              <List.Item key={`${fill.occurred_at}-${fill.price}-${fill.quantity}`}>
                {fill.side} {exact(fill.quantity)} {fill.ticker} at {exact(fill.price)}, commission{' '}
                {exact(fill.commission)}
              </List.Item>
            ))}
          </List>
        </Panel>
      )}
    </Stack>
  )
}
