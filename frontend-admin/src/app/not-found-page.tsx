import { Anchor, Text } from '@mantine/core'
import { Link } from 'react-router'
import { Page } from '@/components/page'

export function NotFoundPage() {
  return (
    <Page title="No such page">
      <Text>
        There is nothing at this address.{' '}
        <Anchor component={Link} to="/">
          Overview
        </Anchor>
      </Text>
    </Page>
  )
}
