import { Anchor } from '@mantine/core'
import { Link } from 'react-router'
import { $portfolio } from '@/api/client'
import { type Filter, FilterBar } from '@/components/filter-bar'
import { SmallTable } from '@/components/small-table'
import { Empty, Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { TimeText } from '@/components/time-text'
import { percent, words } from '@/lib/format'
import { useUrlState } from '@/lib/use-url-state'
import { type Proposal, sumOf } from './types'

const STATUSES = ['OPEN', 'APPROVED', 'REJECTED'] as const
const FILTERS: Filter[] = [{ name: 'status', label: 'Status', options: [...STATUSES] }]

/** What somebody wants the allocation to be, and what became of it. */
export function ProposalsTab() {
  const [asked] = useUrlState('status')
  const status = STATUSES.find((each) => each === asked)
  const query = $portfolio.useQuery('get', '/api/v1/allocations/proposals', {
    params: { query: { status, limit: 100 } },
  })
  return (
    <>
      <FilterBar filters={FILTERS} />
      <Loaded query={query} what="Proposals" rows={6}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty>There is no such proposal: make one in the editor or of a study.</Empty>
          ) : (
            <SmallTable
              label="Proposals"
              rows={rows}
              keyOf={(row) => row.proposal_id}
              columns={[
                {
                  name: 'what',
                  title: 'Proposal',
                  cell: (row) => (
                    <Anchor
                      component={Link}
                      fz="inherit"
                      to={`/allocations/proposals/${encodeURIComponent(row.proposal_id)}`}
                    >
                      {percent(sumOf(row.allocations.map((each) => each.ratio)), 0)} over{' '}
                      {row.allocations.length} strategies
                    </Anchor>
                  ),
                },
                { name: 'status', title: 'Status', cell: (row) => <ProposalBadge row={row} /> },
                { name: 'origin', title: 'From', cell: (row) => words(row.origin) },
                { name: 'by', title: 'By', cell: (row) => row.proposed_by },
                {
                  name: 'when',
                  title: 'When',
                  cell: (row) => <TimeText at={row.proposed_at} />,
                },
                { name: 'reason', title: 'Reason', wide: true, cell: (row) => row.reason },
              ]}
            />
          )
        }
      </Loaded>
    </>
  )
}

/** An open proposal waits for a person: that is nothing bad. */
export function ProposalBadge({ row }: { row: Proposal }) {
  return <StatusBadge status={row.status === 'OPEN' ? 'WAITING' : row.status} />
}
