import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function SignalsPage() {
  return (
    <Page title="Signals">
      <Loading />
    </Page>
  )
}
