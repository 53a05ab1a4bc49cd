import { Button, Group, Stack, Table, Text } from '@mantine/core'
import { $portfolio, portfolio } from '@/api/client'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { day } from '@/lib/time'
import { useRefresh } from '@/lib/use-refresh'
import { useUrlState } from '@/lib/use-url-state'
import { RecordCurve } from './record-curve'
import { RecordReview } from './record-review'
import { RecordSources } from './record-sources'
import { RecordUpload } from './record-upload'
import { SOURCES, type Summary } from './types'

/** Records of days: our own beside what the developer claims; a file is reviewed before it counts. */
export function RecordTab({ strategyId }: { strategyId: string }) {
  const mayConfigure = useMay('CONFIGURE')
  const [asked, setAsked] = useUrlState('review')
  const query = $portfolio.useQuery('get', '/api/v1/strategies/{strategy_id}/records', {
    params: { path: { strategy_id: strategyId } },
  })
  return (
    <Loaded query={query} what="Track record" rows={10}>
      {(summary) => {
        const open = summary.uploads.find((each) => each.review_id === asked)
        return (
          <Stack gap="md">
            {open && mayConfigure && (
              <RecordReview upload={open} key={open.review_id} close={() => setAsked(null)} />
            )}
            <Panel title="What there is">
              {summary.sources.length === 0 ? (
                <Empty command={`python3 scripts/records.py upload ${strategyId} record.csv`}>
                  There is no record yet: upload the developer's file here, or at a terminal.
                </Empty>
              ) : (
                <RecordSources summary={summary} />
              )}
            </Panel>
            {summary.sources.length > 0 && (
              <RecordCurve
                strategyId={strategyId}
                sources={summary.sources.map((each) => each.source)}
              />
            )}
            {mayConfigure && (
              <RecordUpload strategyId={strategyId} reviewed={(id) => setAsked(id)} />
            )}
            <Uploads summary={summary} open={setAsked} />
            <Versions summary={summary} mayRestore={mayConfigure} />
          </Stack>
        )
      }}
    </Loaded>
  )
}

function Uploads({ summary, open }: { summary: Summary; open: (id: string) => void }) {
  if (summary.uploads.length === 0) return null
  return (
    <Panel title="Uploads">
      <Table.ScrollContainer minWidth={560}>
        <Table aria-label="Uploads">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>File</Table.Th>
              <Table.Th>Source</Table.Th>
              <Table.Th>By</Table.Th>
              <Table.Th>Status</Table.Th>
              <Table.Th />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {summary.uploads.map((each) => (
              <Table.Tr key={each.review_id}>
                <Table.Td>{each.file_name}</Table.Td>
                <Table.Td>{SOURCES[each.source] ?? each.source}</Table.Td>
                <Table.Td>
                  {each.uploaded_by}, <TimeText at={each.uploaded_at} />
                </Table.Td>
                <Table.Td>
                  <StatusBadge status={each.status === 'OPEN' ? 'WAITING' : each.status} />
                </Table.Td>
                <Table.Td ta="right">
                  <Button
                    variant="default"
                    size="compact-xs"
                    onClick={() => open(each.review_id)}
                    aria-label={`Review ${each.file_name}`}
                  >
                    Review
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Panel>
  )
}

function Versions({ summary, mayRestore }: { summary: Summary; mayRestore: boolean }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  if (summary.versions.length === 0) return null
  async function restore(source: string, number: number, reason: string) {
    const path = { strategy_id: summary.strategy_id, source }
    await portfolio.POST('/api/v1/strategies/{strategy_id}/records/{source}/restore', {
      params: { path },
      body: { number, reason },
    })
    await refresh('/api/v1/strategies/{strategy_id}')
  }
  return (
    <Panel title="Versions">
      {summary.versions.map((each) => (
        <Group key={`${each.source}-${each.number}`} justify="space-between" wrap="wrap" gap="xs">
          <Text fz="sm">
            {SOURCES[each.source] ?? each.source}, version {each.number}: {each.days} days,{' '}
            {day(each.first_on)} – {day(each.last_on)}, confirmed by {each.confirmed_by}{' '}
            <TimeText at={each.confirmed_at} />
            {each.restored_from ? `, restored from ${each.restored_from}` : ''}
          </Text>
          {each.current ? (
            <StatusBadge status="ACTIVE" />
          ) : (
            mayRestore && (
              <Button
                variant="default"
                size="compact-xs"
                onClick={() =>
                  ask({
                    title: 'Restore this version',
                    facts: [
                      ['Strategy', summary.strategy_id],
                      ['Source', SOURCES[each.source] ?? each.source],
                      ['Version', `${each.number}, ${each.days} days`],
                      ['File', each.file_name],
                    ],
                    reason: true,
                    action: 'Restore',
                    act: (reason) => restore(each.source, each.number, reason),
                  })
                }
              >
                Restore
              </Button>
            )
          )}
        </Group>
      ))}
      {question}
    </Panel>
  )
}
