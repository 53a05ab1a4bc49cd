import { Page } from '@/components/page'
import { Loading } from '@/components/states'

export function LoginPage() {
  return (
    <Page title="Log in">
      <Loading />
    </Page>
  )
}
