import { Alert, Badge, Group, Text } from '@mantine/core'
import { useParams } from 'react-router'
import { $portfolio } from '@/api/client'
import { CredentialsPanel } from '@/components/credentials'
import { ModeBadge } from '@/components/mode-badge'
import { Page } from '@/components/page'
import { Loaded } from '@/components/states'
import { StatusBadge } from '@/components/status-badge'
import { UrlTabs } from '@/components/url-tabs'
import { percent } from '@/lib/format'
import { useMay } from '@/lib/session'
import { ArchiveButton } from './archive-button'
import { LimitsTab } from './limits-tab'
import { LiveTab } from './live-tab'
import { PromotionTab } from './promotion-tab'
import { RecordTab } from './record-tab'
import { SettingsTab } from './settings-tab'
import { SignalsTab } from './signals-tab'
import type { StrategyView } from './types'

/** One strategy: how it trades, what it claims, what it did, and what may open its door. */
export function StrategyPage() {
  const { id: strategyId = '' } = useParams()
  const query = $portfolio.useQuery('get', '/api/v1/strategies/{strategy_id}', {
    params: { path: { strategy_id: strategyId } },
  })
  return (
    <Page
      title={strategyId}
      actions={query.data && <ArchiveButton strategy={query.data} key={query.data.version} />}
    >
      <Loaded query={query} what={`Strategy ${strategyId}`} rows={10}>
        {(strategy) => <Detail strategy={strategy} />}
      </Loaded>
    </Page>
  )
}

function Detail({ strategy }: { strategy: StrategyView }) {
  const id = strategy.strategy_id
  const mayConfigure = useMay('CONFIGURE')
  return (
    <>
      <Group gap="xs" wrap="wrap">
        <ModeBadge mode={strategy.mode} />
        <StatusBadge status={strategy.archived_at ? 'ARCHIVED' : strategy.status} />
        <Badge variant="default" size="sm" radius="sm">
          allocated {percent(strategy.allocation_ratio)}
        </Badge>
        <Text fz="sm" c="dimmed">
          {[strategy.name !== id && strategy.name, strategy.owner && `of ${strategy.owner}`]
            .filter(Boolean)
            .join(' · ')}
        </Text>
      </Group>
      {strategy.warnings.length > 0 && (
        <Alert color="yellow" variant="light" title="What keeps it from trading" role="status">
          {strategy.warnings.map((warning) => (
            <Text key={warning} fz="sm">
              {warning}
            </Text>
          ))}
        </Alert>
      )}
      <UrlTabs
        label={`Parts of ${id}`}
        tabs={[
          { value: 'settings', title: 'Settings', content: <SettingsTab strategy={strategy} /> },
          { value: 'signals', title: 'Signals', content: <SignalsTab strategyId={id} /> },
          { value: 'record', title: 'Track record', content: <RecordTab strategyId={id} /> },
          { value: 'live', title: 'Live against claimed', content: <LiveTab strategyId={id} /> },
          { value: 'limits', title: 'Limits', content: <LimitsTab strategy={strategy} /> },
          {
            value: 'credentials',
            title: 'Credentials',
            content: <CredentialsPanel strategyId={id} mayChange={mayConfigure} />,
          },
          { value: 'promotion', title: 'Promotion', content: <PromotionTab strategy={strategy} /> },
        ]}
      />
    </>
  )
}
