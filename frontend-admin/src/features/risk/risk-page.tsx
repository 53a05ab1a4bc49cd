import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function RiskPage() {
  return (
    <Page title="Risk">
      <Loading />
    </Page>
  )
}
