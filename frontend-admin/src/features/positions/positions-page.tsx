import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function PositionsPage() {
  return (
    <Page title="Positions">
      <Loading />
    </Page>
  )
}
