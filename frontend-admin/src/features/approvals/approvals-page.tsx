import { SegmentedControl, SimpleGrid, Stack } from '@mantine/core'
import { useEffect } from 'react'
import { $dashboards } from '@/api/client'
import { Page } from '@/components/page'
import { Empty, Loaded } from '@/components/states'
import { useUrlState } from '@/lib/use-url-state'
import { AnsweredTable } from './answered-table'
import { ApprovalCard } from './approval-card'

/** Entries that wait for a person's word, and what was said to the last ones. */
export function ApprovalsPage() {
  const [view, setView] = useUrlState('view', 'waiting')
  return (
    <Page
      title="Approvals"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="which approvals"
          value={view === 'answered' ? 'answered' : 'waiting'}
          onChange={setView}
          data={[
            { value: 'waiting', label: 'Waiting' },
            { value: 'answered', label: 'Answered' },
          ]}
        />
      }
    >
      {view === 'answered' ? <AnsweredTable /> : <Waiting />}
    </Page>
  )
}

function Waiting() {
  const [signal] = useUrlState('signal')
  const waiting = $dashboards.useQuery('get', '/api/v1/approvals', {
    params: { query: { status: 'WAITING', limit: 100 } },
  })
  const there = waiting.data?.rows.some((row) => row.signal_id === signal) ?? false
  useEffect(() => {
    if (there) document.getElementById(signal)?.scrollIntoView({ block: 'start' })
  }, [there, signal])
  return (
    <Loaded query={waiting} what="Approvals" rows={8}>
      {({ rows }) =>
        rows.length === 0 ? (
          <Empty>
            Nothing waits for you. Strategies that ask before they enter are set on their page.
          </Empty>
        ) : (
          <Stack gap="md">
            <SimpleGrid cols={{ base: 1, xl: 2 }} spacing="md">
              {rows.map((row) => (
                <ApprovalCard key={row.signal_id} request={row} chosen={row.signal_id === signal} />
              ))}
            </SimpleGrid>
          </Stack>
        )
      }
    </Loaded>
  )
}
