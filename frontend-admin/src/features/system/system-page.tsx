import { Page } from '@/components/page'
import { UrlTabs } from '@/components/url-tabs'
import { DeadLetters } from './dead-letters'
import { FaultDrill } from './drill'
import { Incidents } from './incidents'
import { Latency } from './latency'
import { Services } from './services'

/** How the machine is: its processes, its queues, what failed, and how fast it is. */
export function SystemPage() {
  return (
    <Page title="System">
      <UrlTabs
        label="parts of the system"
        tabs={[
          { value: 'services', title: 'Services', content: <Services /> },
          { value: 'incidents', title: 'Incidents', content: <Incidents /> },
          { value: 'dead-letters', title: 'Dead letters', content: <DeadLetters /> },
          { value: 'latency', title: 'Latency', content: <Latency /> },
          { value: 'drill', title: 'Fault drill', content: <FaultDrill /> },
        ]}
      />
    </Page>
  )
}
