import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function SystemPage() {
  return (
    <Page title="System">
      <Loading />
    </Page>
  )
}
