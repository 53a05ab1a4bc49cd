import { Page } from '@/components/page'
import { UrlTabs } from '@/components/url-tabs'
import { KillTab } from './kill-tab'
import { LimitsTab } from './limits-tab'
import { OverridesTab } from './overrides-tab'
import { TradingStateLine } from './trading-state'

/** What stops trading, and what holds it within bounds. */
export function RiskPage() {
  return (
    <Page title="Risk">
      <TradingStateLine />
      <UrlTabs
        label="Risk"
        tabs={[
          { value: 'kill', title: 'Kill switch', content: <KillTab /> },
          { value: 'limits', title: 'Limits', content: <LimitsTab /> },
          { value: 'overrides', title: 'Overrides', content: <OverridesTab /> },
        ]}
      />
    </Page>
  )
}
