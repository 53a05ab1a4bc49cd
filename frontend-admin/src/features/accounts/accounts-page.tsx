import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function AccountsPage() {
  return (
    <Page title="Accounts">
      <Loading />
    </Page>
  )
}
