import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function AccountPage() {
  return (
    <Page title="Account">
      <Loading />
    </Page>
  )
}
