import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function StrategiesPage() {
  return (
    <Page title="Strategies">
      <Loading />
    </Page>
  )
}
