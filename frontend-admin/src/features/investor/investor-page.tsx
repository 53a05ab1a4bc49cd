import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function InvestorPage() {
  return (
    <Page title="Results">
      <Loading />
    </Page>
  )
}
