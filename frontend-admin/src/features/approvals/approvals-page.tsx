import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function ApprovalsPage() {
  return (
    <Page title="Approvals">
      <Loading />
    </Page>
  )
}
