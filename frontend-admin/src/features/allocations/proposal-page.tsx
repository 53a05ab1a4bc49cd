import { Alert, Anchor, Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { Link, useParams } from 'react-router'
import { $portfolio, portfolio } from '@/api/client'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Loaded } from '@/components/states'
import { TimeText } from '@/components/time-text'
import { useAsk } from '@/components/use-ask'
import { percent, words } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import { ComparisonView } from './comparison'
import { ProposalBadge } from './proposals-tab'
import { type Compared, type Proposal, sumOf } from './types'

/** One proposal against what trades, and a person's word on it. */
export function ProposalPage() {
  const { id = '' } = useParams()
  const params = { path: { proposal_id: id } }
  const proposal = $portfolio.useQuery('get', '/api/v1/allocations/proposals/{proposal_id}', {
    params,
  })
  const compared = $portfolio.useQuery(
    'get',
    '/api/v1/allocations/proposals/{proposal_id}/comparison',
    { params },
  )
  return (
    <Page
      title="Proposal"
      actions={
        <Anchor component={Link} to="/allocations?tab=proposals">
          All proposals
        </Anchor>
      }
    >
      <Loaded query={proposal} what="The proposal" rows={4}>
        {(row) => (
          <Stack gap="md">
            <Told row={row} />
            {row.status === 'OPEN' && compared.data && (
              <Decide row={row} compared={compared.data} />
            )}
            <Panel title="Against what trades">
              <Loaded query={compared} what="The comparison" rows={8}>
                {(found) => <ComparisonView compared={found} />}
              </Loaded>
            </Panel>
          </Stack>
        )}
      </Loaded>
    </Page>
  )
}

function Told({ row }: { row: Proposal }) {
  return (
    <Stack gap={4}>
      <Group gap="xs">
        <ProposalBadge row={row} />
        <Text fz="sm">
          {words(row.origin)} · {row.proposed_by} <TimeText at={row.proposed_at} />: {row.reason}
        </Text>
      </Group>
      {row.evidence && (
        <Anchor
          component={Link}
          fz="sm"
          to={`/allocations/studies/${encodeURIComponent(row.evidence.test_id)}`}
        >
          The study it comes from
        </Anchor>
      )}
      {row.decided_at && (
        <Text fz="sm">
          {words(row.status)} by {row.decided_by} <TimeText at={row.decided_at} />: {row.decision}
          {row.version ? ` (version ${row.version})` : ''}
        </Text>
      )}
    </Stack>
  )
}

function Decide({ row, compared }: { row: Proposal; compared: Compared }) {
  const [override, setOverride] = useState('')
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')
  const params = { path: { proposal_id: row.proposal_id } }
  const objections = compared.objections
  if (!mayConfigure) return null
  const changes = compared.comparison.strategies
    .filter((each) => Number(each.change_ratio) !== 0)
    .map((each): [string, string] => [
      each.strategy_id,
      `${percent(each.before_ratio)} → ${percent(each.after_ratio)}`,
    ])

  function approve() {
    ask({
      title: 'Approve this allocation',
      facts: [
        ...changes,
        ['Total', percent(sumOf(row.allocations.map((each) => each.ratio)))],
        ['Instead of', `version ${compared.version}`],
        ...(override.trim() ? [['Override', override.trim()] as [string, string]] : []),
        ['Then', 'entries are sized by it within a second'],
      ],
      reason: true,
      money: true,
      action: 'Approve',
      act: async (reason) => {
        const body = { version: compared.version, reason, override: override.trim() }
        await portfolio.POST('/api/v1/allocations/proposals/{proposal_id}/approve', {
          params,
          body,
        })
        await refresh('/api/v1/allocations', '/api/v1/strategies')
      },
    })
  }
  function reject() {
    ask({
      title: 'Reject this proposal',
      facts: [...changes, ['Then', 'what trades stays']],
      reason: true,
      action: 'Reject',
      act: async (reason) => {
        const url = '/api/v1/allocations/proposals/{proposal_id}/reject'
        await portfolio.POST(url, { params, body: { reason } })
        await refresh('/api/v1/allocations')
      },
    })
  }

  return (
    <Panel title="Decide">
      <Stack gap="sm">
        {objections.length > 0 && (
          <Alert color="orange" variant="light" title="It wants an override in writing">
            <Textarea
              label="Why it is right all the same"
              description="stays in the history"
              autosize
              minRows={2}
              required
              value={override}
              onChange={(event) => setOverride(event.currentTarget.value)}
            />
          </Alert>
        )}
        <Group gap="xs">
          <Button
            onClick={approve}
            disabled={
              compared.faults.length > 0 || (objections.length > 0 && override.trim() === '')
            }
          >
            Approve
          </Button>
          <Button variant="default" onClick={reject}>
            Reject
          </Button>
        </Group>
      </Stack>
      {question}
    </Panel>
  )
}
