import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function SettingsPage() {
  return (
    <Page title="Settings">
      <Loading />
    </Page>
  )
}
