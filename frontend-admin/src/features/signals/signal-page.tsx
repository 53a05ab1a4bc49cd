import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function SignalPage() {
  return (
    <Page title="Signal">
      <Loading />
    </Page>
  )
}
