import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function DeveloperPage() {
  return (
    <Page title="Developer">
      <Loading />
    </Page>
  )
}
