import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function OrderPage() {
  return (
    <Page title="Order">
      <Loading />
    </Page>
  )
}
