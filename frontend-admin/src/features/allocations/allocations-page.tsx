import { Page } from '@/components/page'
import { UrlTabs } from '@/components/url-tabs'
import { useMay } from '@/lib/session'
import { CurrentTab } from './current-tab'
import { EditorTab } from './editor-tab'
import { HistoryTab } from './history-tab'
import { LabTab } from './lab-tab'
import { ProposalsTab } from './proposals-tab'

/** What each strategy is given: now, proposed, studied, and before. */
export function AllocationsPage() {
  const mayConfigure = useMay('CONFIGURE')
  return (
    <Page title="Allocations">
      <UrlTabs
        label="Allocations"
        tabs={[
          { value: 'current', title: 'Current', content: <CurrentTab /> },
          ...(mayConfigure ? [{ value: 'editor', title: 'Editor', content: <EditorTab /> }] : []),
          { value: 'proposals', title: 'Proposals', content: <ProposalsTab /> },
          { value: 'lab', title: 'Research lab', content: <LabTab /> },
          { value: 'history', title: 'History', content: <HistoryTab /> },
        ]}
      />
    </Page>
  )
}
