import { List, Select, Stack } from '@mantine/core'
import { Route, Routes } from 'react-router'
import { $dashboards } from '@/api/client'
import { CredentialsPanel } from '@/components/credentials'
import { Page } from '@/components/page'
import { Panel } from '@/components/panel'
import { Empty, Loaded } from '@/components/states'
import { UrlTabs } from '@/components/url-tabs'
import { useMay } from '@/lib/session'
import { useStrategyNames } from '@/lib/use-strategy-names'
import { useUrlState } from '@/lib/use-url-state'
import { DeveloperSignalPage } from './developer-signal'
import { LintTab } from './lint-tab'
import { PositionsTab } from './positions-tab'
import { ResultsTab } from './results-tab'
import { SignalsTab } from './signals-tab'

/** What a developer sees: their own strategies, and nothing of anybody else's. */
export function DeveloperPage() {
  return (
    <Routes>
      <Route path=":strategyId/signals/:signalId" element={<DeveloperSignalPage />} />
      <Route path="*" element={<Strategies />} />
    </Routes>
  )
}

function Strategies() {
  const mayRead = useMay('READ')
  return mayRead ? <OfAll /> : <OfOwn />
}

/** An operator looks at any strategy as its developer would. */
function OfAll() {
  return <Developer names={useStrategyNames()} />
}

function OfOwn() {
  const query = $dashboards.useQuery('get', '/api/v1/me')
  return (
    <Loaded query={query} what="Your strategies" rows={8}>
      {(me) => <Developer names={me.strategies ?? []} />}
    </Loaded>
  )
}

function Developer({ names }: { names: string[] }) {
  const [asked, setAsked] = useUrlState('strategy_id')
  const strategyId = names.includes(asked) ? asked : names[0]
  return (
    <Page
      title="Developer"
      actions={
        names.length > 0 && (
          <Select
            aria-label="Strategy"
            data={names}
            value={strategyId ?? null}
            allowDeselect={false}
            searchable
            onChange={setAsked}
            w={220}
          />
        )
      }
    >
      {strategyId ? (
        <UrlTabs
          key={strategyId}
          label={`Parts of ${strategyId}`}
          tabs={[
            { value: 'results', title: 'Results', content: <ResultsTab strategyId={strategyId} /> },
            { value: 'signals', title: 'Signals', content: <SignalsTab strategyId={strategyId} /> },
            {
              value: 'positions',
              title: 'Positions',
              content: <PositionsTab strategyId={strategyId} />,
            },
            {
              value: 'credentials',
              title: 'Credentials',
              content: <Credentials strategyId={strategyId} />,
            },
            { value: 'lint', title: 'Try a signal', content: <LintTab /> },
            { value: 'docs', title: 'Documentation', content: <Documentation /> },
          ]}
        />
      ) : (
        <Stack gap="md">
          <Empty>No strategy is yours yet: ask the operator to add it to your user.</Empty>
          <LintTab />
        </Stack>
      )}
    </Page>
  )
}

function Credentials({ strategyId }: { strategyId: string }) {
  const mayConfigure = useMay('CONFIGURE')
  return <CredentialsPanel strategyId={strategyId} mayChange={mayConfigure} />
}

function Documentation() {
  return (
    <Panel title="Documentation">
      <List size="sm">
        <List.Item>docs/signal-format.md: every field, every refusal, guides for tools</List.Item>
        <List.Item>docs/examples: signals to send as they are</List.Item>
      </List>
    </Panel>
  )
}
