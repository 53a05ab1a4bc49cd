import { Page } from '@/components/page'
import { Empty } from '@/components/states'

export function OverviewPage() {
  return (
    <Page title="Overview">
      <Empty command="python3 scripts/send_signal.py docs/examples/entry.json --follow">
        Nothing has happened yet.
      </Empty>
    </Page>
  )
}
