import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function OrdersPage() {
  return (
    <Page title="Orders">
      <Loading />
    </Page>
  )
}
