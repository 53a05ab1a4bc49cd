import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function AllocationsPage() {
  return (
    <Page title="Allocations">
      <Loading />
    </Page>
  )
}
