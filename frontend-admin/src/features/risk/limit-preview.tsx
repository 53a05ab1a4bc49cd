import { Alert, Anchor, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { components } from '@/api/dashboard-creator'
import { SmallTable } from '@/components/small-table'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { exact } from '@/lib/format'

type Preview = components['schemas']['LimitPreview']
type Answer = components['schemas']['Answer']

/** Real signals of the last days, decided again under the new limits. */
export function LimitPreview({ preview }: { preview: Preview }) {
  return (
    <Stack gap="xs">
      <Alert color={preview.changed > 0 ? 'yellow' : 'green'} variant="light" role="status">
        <Text fw={600} fz="sm">
          {preview.sentence}
        </Text>
        {!preview.complete && (
          <Text fz="sm">
            Only signals since <TimeText at={preview.since} relative={false} /> were looked at.
          </Text>
        )}
        {preview.unanswered.length > 0 && (
          <Text fz="sm">{preview.unanswered.length} cannot be decided again.</Text>
        )}
      </Alert>
      {preview.differences.length > 0 && (
        <SmallTable
          label="Signals that would have been decided differently"
          rows={preview.differences}
          keyOf={(row) => row.signal_id}
          columns={[
            {
              name: 'signal',
              title: 'Signal',
              cell: (row) => (
                <Anchor
                  component={Link}
                  fz="inherit"
                  to={`/signals/${encodeURIComponent(row.signal_id)}`}
                >
                  {row.strategy_id} {row.intent?.toLowerCase()}
                </Anchor>
              ),
            },
            { name: 'when', title: 'When', cell: (row) => <TimeText at={row.received_at} /> },
            { name: 'was', title: 'Was', cell: (row) => <AnswerCell answer={row.before} /> },
            { name: 'would', title: 'Would be', cell: (row) => <AnswerCell answer={row.after} /> },
            { name: 'why', title: 'Why', cell: (row) => row.after.reason, wide: true },
          ]}
        />
      )}
    </Stack>
  )
}

function AnswerCell({ answer }: { answer: Answer }) {
  const orders = answer.orders
    .map((order) => `${order.side} ${exact(order.quantity)} ${order.symbol}`)
    .join(', ')
  return (
    <>
      <StatusBadge status={answer.outcome} /> {orders}
    </>
  )
}
