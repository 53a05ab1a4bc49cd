import { Tabs } from '@mantine/core'
import type { ComponentType } from 'react'
import { Navigate, useNavigate, useParams } from 'react-router'
import { Page } from '@/components/page'
import { useMay } from '@/lib/session'
import { KeysPart } from './keys-part'
import { NotificationsPart } from './notifications-part'
import { ProfilePart } from './profile-part'
import { SecurityPart } from './security-part'
import { SessionsPart } from './sessions-part'
import { UsersPart } from './users-part'

interface Part {
  name: string
  title: string
  Content: ComponentType
  permission?: string
}

const PARTS: Part[] = [
  { name: 'profile', title: 'Profile', Content: ProfilePart },
  { name: 'security', title: 'Password and second factor', Content: SecurityPart },
  { name: 'sessions', title: 'Sessions', Content: SessionsPart },
  { name: 'keys', title: 'API keys', Content: KeysPart },
  { name: 'notifications', title: 'Notifications', Content: NotificationsPart },
  { name: 'users', title: 'Users and roles', Content: UsersPart, permission: 'ADMINISTER' },
]

/** What somebody sets for themselves, and admins for others. */
export function SettingsPage() {
  const { part } = useParams()
  const navigate = useNavigate()
  const administers = useMay('ADMINISTER')
  const parts = PARTS.filter((each) => !each.permission || administers)
  const shown = parts.find((each) => each.name === part)
  if (!shown) return <Navigate to="/settings/profile" replace />
  return (
    <Page title="Settings">
      <Tabs
        value={shown.name}
        onChange={(name) => void navigate(`/settings/${name}`)}
        keepMounted={false}
      >
        <Tabs.List
          aria-label="Settings"
          mb="md"
          style={{ flexWrap: 'nowrap', overflowX: 'auto', overflowY: 'hidden' }}
        >
          {parts.map((each) => (
            <Tabs.Tab key={each.name} value={each.name} style={{ flexShrink: 0 }}>
              {each.title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={shown.name}>
          <shown.Content />
        </Tabs.Panel>
      </Tabs>
    </Page>
  )
}
