import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function StrategyPage() {
  return (
    <Page title="Strategy">
      <Loading />
    </Page>
  )
}
