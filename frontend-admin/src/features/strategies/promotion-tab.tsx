import { Button, Group, List, Stack, Stepper, Text } from '@mantine/core'
import { $accounts, portfolio } from '@/api/client'
import { Panel } from '@/components/panel'
import { StatusBadge } from '@/components/status-badge'
import { useAsk } from '@/components/use-ask'
import { percent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { useRefresh } from '@/lib/use-refresh'
import type { StrategyUpdate, StrategyView } from './types'
import { useVerdict } from './verdict'

type Mode = StrategyView['mode']
const ROAD: { mode: Mode; title: string; what: string }[] = [
  { mode: 'SHADOW', title: 'Shadow', what: 'decided and recorded, never ordered' },
  { mode: 'PAPER', title: 'Paper', what: 'ordered, never in a live account' },
  { mode: 'LIVE', title: 'Live', what: 'real money' },
]

/** The road to real money, one step at a time, and the way back. */
export function PromotionTab({ strategy }: { strategy: StrategyView }) {
  const { ask, question } = useAsk()
  const refresh = useRefresh()
  const mayConfigure = useMay('CONFIGURE') && !strategy.archived_at
  const place = ROAD.findIndex((each) => each.mode === strategy.mode)
  const accounts = useAccountsOf(strategy)

  async function move(mode: Mode, reason: string) {
    const body = { mode, version: strategy.version, reason } as StrategyUpdate
    const params = { path: { strategy_id: strategy.strategy_id } }
    await portfolio.PUT('/api/v1/strategies/{strategy_id}', { params, body })
    await refresh('/api/v1/strategies')
  }
  function askFor(step: (typeof ROAD)[number], up: boolean) {
    ask({
      title: `${strategy.strategy_id}: ${strategy.mode} to ${step.mode}`,
      facts: [
        ['Strategy', strategy.strategy_id],
        ['From, to', `${strategy.mode} → ${step.mode}: ${step.what}`],
        ['Accounts', accounts],
        ['Allocated', percent(strategy.allocation_ratio)],
        ...(strategy.warnings.length > 0
          ? [['Warnings', strategy.warnings.join('; ')] as [string, string]]
          : []),
      ],
      reason: true,
      word: step.mode === 'LIVE' ? 'LIVE' : undefined,
      danger: step.mode === 'LIVE',
      action: up ? `Promote to ${step.mode}` : `Back to ${step.mode}`,
      act: (reason) => move(step.mode, reason),
    })
  }
  const [before, after] = [ROAD[place - 1], ROAD[place + 1]]

  return (
    <Panel title="Promotion">
      <Stack gap="md">
        <Stepper
          active={place}
          size="xs"
          aria-label="Shadow, paper, live"
          allowNextStepsSelect={false}
        >
          {ROAD.map((step, at) => (
            <Stepper.Step
              key={step.mode}
              label={at === place ? `${step.title}, now` : step.title}
              description={step.what}
              color={step.mode === 'LIVE' ? 'red' : undefined}
            />
          ))}
        </Stepper>
        <Evidence strategy={strategy} />
        {mayConfigure && (
          <Group gap="xs">
            {after && (
              <Button
                color={after.mode === 'LIVE' ? 'red' : undefined}
                onClick={() => askFor(after, true)}
              >
                Promote to {after.mode}
              </Button>
            )}
            {before && (
              <Button variant="default" onClick={() => askFor(before, false)}>
                Back to {before.mode}
              </Button>
            )}
          </Group>
        )}
      </Stack>
      {question}
    </Panel>
  )
}

/** What speaks for the next step, and what against it. */
function Evidence({ strategy }: { strategy: StrategyView }) {
  const { query: verdict, missing } = useVerdict(strategy.strategy_id)
  const open = strategy.credentials.filter((each) => !each.revoked_at).length
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Text fz="sm">Live against claimed:</Text>
        {verdict.data ? (
          <StatusBadge status={verdict.data.verdict} />
        ) : (
          <Text fz="sm" c="dimmed">
            {missing ? 'nothing is claimed' : verdict.error ? 'not known' : '…'}
          </Text>
        )}
        {verdict.data?.live && <Text fz="sm">{verdict.data.live.days} days of our own record</Text>}
      </Group>
      <List size="sm">
        {(verdict.data?.sentences ?? []).map((sentence) => (
          <List.Item key={sentence}>{sentence}</List.Item>
        ))}
        <List.Item>Allocated: {percent(strategy.allocation_ratio)}</List.Item>
        <List.Item>{open === 1 ? '1 credential opens' : `${open} credentials open`}</List.Item>
        <List.Item>
          {strategy.warnings.length === 0
            ? 'Nothing keeps it from trading in this mode.'
            : `Keeps it from trading: ${strategy.warnings.join('; ')}`}
        </List.Item>
      </List>
    </Stack>
  )
}

function useAccountsOf(strategy: StrategyView): string {
  const { data } = $accounts.useQuery('get', '/api/v1/accounts')
  if (strategy.accounts.length === 0) return 'none'
  return strategy.accounts
    .map(({ account_id }) => {
      const known = data?.find((each) => each.account_id === account_id)
      return known ? `${account_id} (${known.account_type}, ${known.broker})` : account_id
    })
    .join(', ')
}
