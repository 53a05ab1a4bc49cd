import { Button } from '@mantine/core'
import { portfolio } from '@/api/client'
import { useAsk } from '@/components/use-ask'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import type { StrategyView } from './types'

/** Nothing is ever deleted: a strategy is archived, and comes back switched off. */
export function ArchiveButton({ strategy }: { strategy: StrategyView }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE')
  if (!mayConfigure) return null
  const params = { path: { strategy_id: strategy.strategy_id } }
  const archived = Boolean(strategy.archived_at)

  async function act(reason: string) {
    const request = { params, body: { version: strategy.version, reason } }
    if (archived) await portfolio.POST('/api/v1/strategies/{strategy_id}/restore', request)
    else await portfolio.DELETE('/api/v1/strategies/{strategy_id}', request)
    await refresh('/api/v1/strategies')
  }

  return (
    <>
      <Button
        variant="default"
        onClick={() =>
          ask({
            title: archived ? 'Restore this strategy' : 'Archive this strategy',
            facts: [
              ['Strategy', strategy.strategy_id],
              ['Mode', strategy.mode],
              ['Accounts', strategy.accounts.map((each) => each.account_id).join(', ') || 'none'],
              [
                'Then',
                archived
                  ? 'it is there again, INACTIVE'
                  : 'it trades no more; refused while it holds something',
              ],
            ],
            reason: true,
            action: archived ? 'Restore' : 'Archive',
            danger: !archived,
            act,
          })
        }
      >
        {archived ? 'Restore' : 'Archive'}
      </Button>
      {question}
    </>
  )
}
