import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function ActivityPage() {
  return (
    <Page title="Activity">
      <Loading />
    </Page>
  )
}
