import { Alert, Anchor, Button, Group, Progress, Stack, Text } from '@mantine/core'
import { Link, useNavigate, useParams } from 'react-router'
import { $portfolio, portfolio } from '@/api/client'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { percent, words } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { ComparisonView } from './comparison'
import { StudyResultView } from './study-result'
import type { Study } from './types'

const PATH = '/api/v1/portfolio-tests/{test_id}'
const isOpen = (study: Study) => study.status === 'QUEUED' || study.status === 'RUNNING'

/** One study: how far it is, then what it found. */
export function StudyPage() {
  const { id = '' } = useParams()
  const query = $portfolio.useQuery(
    'get',
    PATH,
    { params: { path: { test_id: id } } },
    { refetchInterval: ({ state }) => (state.data && isOpen(state.data) ? 10_000 : false) },
  )
  return (
    <Page
      title="Study"
      actions={
        <Anchor component={Link} to="/allocations?tab=lab">
          All studies
        </Anchor>
      }
    >
      <Loaded query={query} what="The study" rows={6}>
        {(study) => (
          <Stack gap="md">
            <Head study={study} />
            {study.status === 'DONE' && <Found study={study} />}
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}

function Head({ study }: { study: Study }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')
  const params = { path: { test_id: study.test_id } }
  return (
    <Panel
      title={`${words(study.request.method)} of ${study.request.strategy_ids.length || 'all'} strategies`}
      actions={
        mayConfigure &&
        isOpen(study) && (
          <Button
            variant="default"
            disabled={Boolean(study.cancel_requested_at)}
            onClick={() =>
              ask({
                title: 'Cancel this study',
                facts: [
                  ['Study', words(study.request.method)],
                  ['Done', percent(study.progress, 0)],
                ],
                action: 'Cancel the study',
                act: async () => {
                  await portfolio.POST('/api/v1/portfolio-tests/{test_id}/cancel', { params })
                  await refresh('/api/v1/portfolio-tests')
                },
              })
            }
          >
            {study.cancel_requested_at ? 'Ending …' : 'Cancel'}
          </Button>
        )
      }
    >
      <Stack gap="xs">
        <Group gap="xs">
          <StatusBadge status={study.status} />
          <Text fz="sm">
            {study.request.strategy_ids.join(', ')} · by {study.requested_by}{' '}
            <TimeText at={study.requested_at} />
          </Text>
        </Group>
        {isOpen(study) && (
          <>
            <Progress value={study.progress * 100} aria-label="Progress of the study" />
            <Text fz="sm" role="status">
              {percent(study.progress, 0)} · {study.doing || 'waiting for its turn'}
            </Text>
          </>
        )}
        {study.error && (
          <Alert color="red" variant="light" title={study.error_code}>
            {study.error}
          </Alert>
        )}
        {study.warnings.map((warning) => (
          <Alert key={warning} color="yellow" variant="light" p="xs">
            {warning}
          </Alert>
        ))}
        {study.proposal_id && (
          <Anchor
            component={Link}
            fz="sm"
            to={`/allocations/proposals/${encodeURIComponent(study.proposal_id)}`}
          >
            It was proposed
          </Anchor>
        )}
      </Stack>
      {question}
    </Panel>
  )
}

/** Of a percentage as it came, without what binary fractions add behind the twelfth digit. */
function ratioOf(pct: string | number): string {
  return String(Number((Number(pct) / 100).toFixed(12)))
}

function Found({ study }: { study: Study }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const navigate = useNavigate()
  const mayConfigure = useMay('CONFIGURE')
  const params = { path: { test_id: study.test_id } }
  const ratios = Object.fromEntries(
    Object.entries(study.allocations).map(([id, pct]) => [id, ratioOf(pct)]),
  )
  const result = $portfolio.useQuery(
    'get',
    '/api/v1/portfolio-tests/{test_id}/result',
    { params },
    { refetchInterval: false, staleTime: Number.POSITIVE_INFINITY },
  )
  const compared = $portfolio.useQuery('post', '/api/v1/allocations/compare', {
    body: { allocations: ratios, last_days: 90 },
  })
  function propose() {
    ask({
      title: 'Propose what this study found',
      facts: [
        ...Object.entries(study.allocations).map(([id, pct]): [string, string] => [
          id,
          percent(Number(pct) / 100),
        ]),
        ['Then', 'it waits for an approval; nothing trades by it yet'],
      ],
      reason: true,
      action: 'Propose',
      act: async (reason) => {
        const url = '/api/v1/portfolio-tests/{test_id}/propose'
        const { data } = await portfolio.POST(url, { params, body: { reason } })
        await refresh('/api/v1/portfolio-tests', '/api/v1/allocations')
        if (data) navigate(`/allocations/proposals/${encodeURIComponent(data.proposal_id)}`)
      },
    })
  }
  const files = `/api/portfolio_builder/v1/portfolio-tests/${encodeURIComponent(study.test_id)}`
  return (
    <>
      <Group gap="sm">
        {mayConfigure && !study.proposal_id && <Button onClick={propose}>Propose it</Button>}
        <Anchor fz="sm" href={`${files}/tearsheet`} target="_blank" rel="noreferrer">
          Tear-sheet
        </Anchor>
        {(['equity', 'weights', 'correlation', 'windows'] as const).map((table) => (
          <Anchor key={table} fz="sm" href={`${files}/${table}.csv`} download>
            {table}.csv
          </Anchor>
        ))}
      </Group>
      <Loaded query={result} what="The result" rows={10}>
        {(found) => <StudyResultView result={found} />}
      </Loaded>
      <Panel title="Against what trades">
        <Loaded query={compared} what="The comparison" rows={6}>
          {(found) => <ComparisonView compared={found} />}
        </Loaded>
      </Panel>
      {question}
    </>
  )
}
